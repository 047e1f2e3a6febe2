"""Judges forecasts of many machines against naive ones: overall, by horizon, by regime.

docs/judging.md defines every figure; src/judging computes the same for `tft backtest`.
"""

from dataclasses import dataclass

import numpy as np

from .bootstrap import gain_interval
from .choice import chosen
from .naive import NAIVE_FORECASTS
from .regime import REGIMES
from .score import HIGH, LOW, disorder_of, held, pinball_losses

CHOSEN = "chosen by machine"
NAMED_HORIZONS = (5, 60, 240, 480)  # minutes


@dataclass(frozen=True)
class JudgedWindows:
    """Windows with the measurements (NaN where there are none) and competing forecasts.

    `machines`, `origins` and `regimes` [windows]; `measured` [windows, horizon]; each of `forecasts`
    [windows, horizon, quantiles]. The first is the model; the four naive ones are among them. Windows of
    one machine are together, in the order of their origins.
    """

    machines: np.ndarray
    origins: np.ndarray
    regimes: np.ndarray
    measured: np.ndarray
    forecasts: dict[str, np.ndarray]
    quantiles: tuple[float, ...]
    step_minutes: int
    minimum: float | None
    maximum: float | None
    resolution: float

    def with_measurements(self) -> "JudgedWindows":
        """Leaves out the windows without any measurement."""
        return self.where(np.isfinite(self.measured).any(axis=1))

    def where(self, kept: np.ndarray) -> "JudgedWindows":
        return JudgedWindows(
            self.machines[kept],
            self.origins[kept],
            self.regimes[kept],
            self.measured[kept],
            {name: forecast[kept] for name, forecast in self.forecasts.items()},
            self.quantiles,
            self.step_minutes,
            self.minimum,
            self.maximum,
            self.resolution,
        )


def judge(windows: JudgedWindows, day: int | None = None) -> dict:
    """The table as JSON has it; `day` is in steps, 24 hours by default."""
    windows = windows.with_measurements()
    known = np.isfinite(windows.measured)
    scored = _Scored(windows, known)
    naive_share = scored.add_chosen(windows, day or round(24 * 60 / windows.step_minutes))
    model = next(iter(windows.forecasts))
    disorder = disorder_of(windows.forecasts[model], windows.minimum, windows.maximum)
    everything = np.ones(len(known), bool)
    table = scored.slice(everything, known)
    minutes = [m for m in NAMED_HORIZONS if m % windows.step_minutes == 0]
    table["horizons"] = [
        {"minutes": m, **scored.slice(everything, known & (np.arange(known.shape[1]) == step))}
        for m in minutes
        for step in [m // windows.step_minutes - 1]
        if step < known.shape[1] and known[:, step].any()
    ]
    table["regimes"] = [
        {"regime": regime, **scored.slice(of_regime, known)}
        for regime in REGIMES
        for of_regime in [windows.regimes == regime]
        if of_regime.any()
    ]
    return {
        **table,
        "crossed": disorder.crossed,
        "crossedWindows": disorder.crossed_windows,
        "outOfRange": disorder.out_of_range,
        "resolution": windows.resolution,
        "naiveShare": naive_share,
    }


class _Scored:
    """Losses and hits of each forecast, [windows, horizon]."""

    def __init__(self, windows: JudgedWindows, known: np.ndarray):
        truth = np.where(known, windows.measured, 0.0)
        banded = {LOW, HIGH} <= set(windows.quantiles)
        low, high = (windows.quantiles.index(q) for q in (LOW, HIGH)) if banded else (0, 0)
        self.known = known
        self.losses = {
            name: pinball_losses(forecast, truth, windows.quantiles)
            for name, forecast in windows.forecasts.items()
        }
        self.hits = {
            name: held(forecast[..., low], forecast[..., high], truth, windows.resolution)
            for name, forecast in windows.forecasts.items()
        }
        self.banded = banded
        names, first = np.unique(windows.machines, return_index=True)
        self.machines = names[np.argsort(first)]
        self.machine = np.searchsorted(names, windows.machines)
        self.machine = np.argsort(np.argsort(first))[self.machine]

    def add_chosen(self, windows: JudgedWindows, day: int) -> dict[str, float]:
        """Adds the row of the choice; returns the share of windows for which it was a naive forecast."""
        candidates = [next(iter(self.losses)), *NAIVE_FORECASTS]
        steps = self.known.sum(axis=1)
        means = np.stack(
            [np.where(self.known, self.losses[name], 0).sum(axis=1) / steps for name in candidates], axis=-1
        )
        losses, hits = np.empty_like(windows.measured), np.empty(windows.measured.shape, bool)
        shares = {}
        for number, machine in enumerate(self.machines):
            own = np.flatnonzero(self.machine == number)
            picks = chosen(windows.origins[own], means[own], windows.measured.shape[1], day)
            for at, pick in zip(own, picks, strict=True):
                losses[at], hits[at] = self.losses[candidates[pick]][at], self.hits[candidates[pick]][at]
            shares[str(machine)] = float((picks != 0).mean())
        self.losses[CHOSEN], self.hits[CHOSEN] = losses, hits
        return shares

    def slice(self, rows: np.ndarray, cells: np.ndarray) -> dict:
        """The forecasts over some windows and, of them, some measured steps."""
        cells = cells & rows[:, None]
        within = cells.any(axis=1)
        steps = int(cells.sum())
        present = np.unique(self.machine[within])
        sums = {name: self._by_machine(loss, cells)[present] for name, loss in self.losses.items()}
        best = min(NAIVE_FORECASTS, key=lambda name: sums[name].sum())
        base = sums[best]
        return {
            "windows": int(within.sum()),
            "machines": len(present),
            "bestNaive": best,
            "won": int((next(iter(sums.values())) < base).sum()),
            "forecasts": [
                {
                    "name": name,
                    "pinball": float(loss.sum() / steps),
                    "gain": float(1 - loss.sum() / base.sum()) if base.sum() else None,
                    "interval": gain_interval(loss, base),
                    "coverage80": float(self.hits[name][cells].mean()) if self.banded else None,
                }
                for name, loss in sums.items()
            ],
        }

    def _by_machine(self, loss: np.ndarray, cells: np.ndarray) -> np.ndarray:
        return np.bincount(self.machine, np.where(cells, loss, 0).sum(axis=1), len(self.machines))


def gain_of(table: dict, name: str) -> float:
    """The gain of one row of a table or slice."""
    return next(row["gain"] for row in table["forecasts"] if row["name"] == name)


def row_of(table: dict, name: str) -> dict:
    return next(row for row in table["forecasts"] if row["name"] == name)

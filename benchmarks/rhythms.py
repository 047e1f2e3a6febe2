"""Judges a bundle on artificial machines: which rhythms does the model follow?

    scripts/uv python benchmarks/rhythms.py [BUNDLE] [--minutes PERIOD …]

Each machine rests at 2 % and has a burst of 40 points for 10 to 30 minutes once in a period, at a time of its
own; the values have noise. The peer is the quantiles of the last 24 hours, which know how often bursts come
but not when. Prints a line `ratio rhythm_<minutes> <value>` for each period, above 1 if the model has less
pinball loss. Nothing is random between runs.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from tft_export.description import read_description
from tft_export.judging.evaluate import evaluate
from tft_export.judging.judged_set import JudgedSet

ROOT = Path(__file__).resolve().parent.parent
PERIODS = (64, 75, *(60 * hours for hours in range(2, 25)))
MACHINES = 16
DAYS = 10
EVERY = 53  # steps between forecasts; a prime, so that they begin at all phases


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", nargs="?", type=Path, default=ROOT / "models/demo")
    parser.add_argument("--minutes", type=int, nargs="*", default=PERIODS)
    options = parser.parse_args()
    description = read_description(options.bundle)
    metrics = [metric.name for metric in description.metrics if metric.name != description.target]
    with tempfile.TemporaryDirectory() as folder:
        for minutes in options.minutes:
            history = Path(folder) / f"{minutes}.csv"
            rows = pd.concat(
                [
                    machine(minutes, number, description.target, description.step_minutes)
                    for number in range(MACHINES)
                ]
            )
            rows[metrics] = 0.0
            rows.to_csv(history, index=False)
            # The first week is the past that the naive forecasts learn from.
            judged = JudgedSet(str(minutes), (history,), since="2026-03-08T12:00Z", every=EVERY)
            (table,) = evaluate(options.bundle, [judged], None, {}, None)["sets"]
            loss = {row["name"]: row["pinball"] for row in table["forecasts"]}
            best, own = table["bestNaive"], loss[description.name]
            print(
                f"a burst every {minutes} min: gain over the window's quantiles "
                f"{1 - own / loss['window quantiles']:+.1%}, over {best} {1 - own / loss[best]:+.1%}, "
                f"{table['windows']} windows\n"
                f"ratio rhythm_{minutes} {loss['window quantiles'] / own:.2f}",
                flush=True,
            )


def machine(minutes: int, number: int, target: str, step_minutes: int) -> pd.DataFrame:
    rng = np.random.default_rng([minutes, number])
    steps = np.arange(DAYS * 24 * 60 // step_minutes)
    phase = (steps * step_minutes + rng.integers(0, minutes)) % minutes
    burst = phase < rng.integers(10, 31)
    values = 2 + 40 * burst + rng.normal(0, 0.2, len(steps)) * (1 + 5 * burst)
    return pd.DataFrame(
        {
            "timestamp": pd.date_range("2026-03-01", periods=len(steps), freq=f"{step_minutes}min", tz="UTC"),
            "server_name": f"rhythm-{number}",
            target: np.clip(values, 0, 100).round(2),
        }
    )


if __name__ == "__main__":
    main()

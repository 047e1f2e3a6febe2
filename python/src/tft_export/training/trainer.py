"""Fits the default Temporal Fusion Transformer on recorded and simulated machines.

The network, its data set and its checkpoint are pytorch-forecasting's own. This file draws the windows and
runs the loop, so that a batch costs no work on the CPU and a step can be one CUDA graph. Progress is
printed, and the state is saved to RUN/last.pt every few minutes; the same command resumes from it.
"""

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pytorch_forecasting import TemporalFusionTransformer, TimeSeriesDataSet
from pytorch_forecasting.metrics import QuantileLoss

from ..windows.column_map import ColumnMap
from ..windows.history import on_grid, read_history
from ..windows.metrics import QUANTILES
from .dataset import training_dataset
from .settings import Settings
from .simulated_fleet import simulate
from .training_network import prepare_for_training
from .training_windows import Batch, Windows


@dataclass
class Data:
    training: pd.DataFrame
    validation: pd.DataFrame
    simulated_segments: int  # the last segments of `training` are simulated
    dataset: TimeSeriesDataSet


def load_data(history: Path, column_map: Path | None, settings: Settings) -> Data:
    """Recorded machines, some held out for validation, and simulated ones, on one grid."""
    recorded = read_history(history, ColumnMap.read(column_map) if column_map else None)
    names = np.sort(recorded["server_name"].unique())
    held_out = np.random.default_rng(settings.seed).permutation(names)[: settings.validation_machines]
    is_held_out = recorded["server_name"].isin(held_out)
    training = on_grid(recorded[~is_held_out])
    validation = on_grid(recorded[is_held_out])
    simulated = on_grid(
        simulate(settings.simulated_servers, settings.simulated_days, "2026-01-01", settings.seed)
    )
    simulated["segment"] += training["segment"].max() + 1
    both = pd.concat([training, simulated], ignore_index=True)
    return Data(both, validation, simulated["segment"].nunique(), training_dataset(both, settings.seed))


def make_model(dataset: TimeSeriesDataSet, settings: Settings) -> TemporalFusionTransformer:
    torch.manual_seed(settings.seed)
    return TemporalFusionTransformer.from_dataset(
        dataset,
        hidden_size=32,
        attention_head_size=8,
        lstm_layers=1,
        hidden_continuous_size=16,
        dropout=settings.dropout,
        loss=QuantileLoss(list(QUANTILES)),
        learning_rate=settings.learning_rate,
        log_interval=-1,
    )


def pinball(prediction: torch.Tensor, y: torch.Tensor, quantiles: torch.Tensor) -> torch.Tensor:
    """Pinball loss of each output, in the target's unit: max(q·e, (q-1)·e), e = y - prediction."""
    error = y[..., None] - prediction
    return torch.maximum(quantiles * error, (quantiles - 1) * error)


class Trainer:
    """The loop: draws, steps, averages the weights, validates, saves."""

    def __init__(self, data: Data, settings: Settings, device: torch.device, run: Path):
        self.settings = settings
        self.device = device
        self.run = run
        self.model = make_model(data.dataset, settings)
        self.windows = Windows(data.training, data.dataset, device)
        self.validation = Windows(data.validation, data.dataset, device)
        prepare_for_training(self.model, self.windows.encoder_length, self.windows.horizon)
        self.model.to(device)
        segments = torch.tensor(data.training["segment"].to_numpy(), device=device)[self.windows.starts]
        simulated = segments >= int(data.training["segment"].max()) + 1 - data.simulated_segments
        self._recorded_starts = self.windows.starts[~simulated]
        self._simulated_starts = self.windows.starts[simulated]
        self._quantiles = torch.tensor(QUANTILES, device=device)
        self._parameters = [p for p in self.model.parameters() if p.requires_grad]
        self._averaged = [p.detach().clone() for p in self._parameters]
        self._rate = torch.tensor(0.0, device=device)
        on_gpu = device.type == "cuda"
        self._optimizer = torch.optim.AdamW(
            self._parameters,
            lr=self._rate if on_gpu else settings.learning_rate,
            weight_decay=settings.weight_decay,
            capturable=on_gpu,
            foreach=True,
        )
        self._starts = torch.zeros(settings.batch, dtype=torch.int64, device=device)
        self._shifts = torch.zeros(settings.batch, dtype=torch.int64, device=device)
        self._loss = torch.zeros((), device=device)
        self._draws = torch.Generator(device=device)
        self._graph: torch.cuda.CUDAGraph | str | None = None
        self.step = 0
        self.best = float("inf")

    def fit(self, validate_every: int, seconds: float | None = None) -> None:
        started = last_shown = time.monotonic()
        first = self.step
        loss = float("nan")
        while self.step < self.settings.steps:
            if seconds is not None and time.monotonic() - started > seconds:
                print(
                    f"the time limit is reached at step {self.step}; the same command resumes there",
                    flush=True,
                )
                break
            self._advance()
            if self.step % 50 == 0:
                loss = float(self._loss)
            if time.monotonic() - last_shown > 10 or self.step == first + 20:
                last_shown = time.monotonic()
                rate = (self.step - first) / (last_shown - started)
                left = (self.settings.steps - self.step) / rate / 60
                print(
                    f"step {self.step}/{self.settings.steps} loss {loss:.4f} "
                    f"{rate:.2f} steps/s, {left:.0f} min left",
                    flush=True,
                )
            if self.step % validate_every == 0 or self.step == self.settings.steps:
                self.checkpoint()
        self.save("last.pt")

    def checkpoint(self) -> None:
        loss, coverage = self.validate()
        mark = ""
        if loss < self.best:
            self.best, mark = loss, " (best so far)"
            self.save("best.pt")
        print(
            f"step {self.step} validation pinball {loss:.4f}, 80 % band holds {coverage:.1%}{mark}",
            flush=True,
        )
        self.save("last.pt")

    def validate(self) -> tuple[float, float]:
        """Mean pinball loss and coverage of the 10-90 % band on the held-out machines, averaged weights."""
        prediction, y, weight = self.predict_validation()
        loss = (pinball(prediction, y, self._quantiles.cpu()).mean(-1) * weight).sum() / weight.sum()
        low, high = QUANTILES.index(0.1), QUANTILES.index(0.9)
        held = (y >= prediction[..., low]) & (y <= prediction[..., high])
        return float(loss), float((held * weight).sum() / weight.sum())

    def predict_validation(self, stride: int = 48) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        self._exchange()
        self.model.eval()
        outputs = []
        with torch.inference_mode():
            for starts in self.validation.starts[::stride].split(128):
                batch = self.validation.batch(starts)
                outputs.append((self.model(batch.x).prediction.cpu(), batch.y.cpu(), batch.weight.cpu()))
        self._exchange()
        return tuple(torch.cat(parts) for parts in zip(*outputs, strict=True))

    def save(self, name: str) -> None:
        self.run.mkdir(parents=True, exist_ok=True)
        state = {
            "step": self.step,
            "best": self.best,
            "settings": asdict(self.settings),
            "model": self.model.state_dict(),
            "averaged": self._averaged,
            "optimizer": self._optimizer.state_dict(),
        }
        unfinished = self.run / f"{name}.unfinished"
        torch.save(state, unfinished)
        unfinished.replace(self.run / name)

    def restore(self, name: str) -> bool:
        path = self.run / name
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.step, self.best = state["step"], state["best"]
        self.model.load_state_dict(state["model"])
        torch._foreach_copy_(self._averaged, state["averaged"])
        self._optimizer.load_state_dict(state["optimizer"])
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate if self.device.type == "cuda" else group["lr"]
        return True

    def _exchange(self) -> None:
        """Swaps the weights in use with their averages."""
        with torch.no_grad():
            for used, averaged in zip(self._parameters, self._averaged, strict=True):
                kept = used.detach().clone()
                used.copy_(averaged)
                averaged.copy_(kept)

    def _learning_rate(self) -> float:
        """Linear warm-up over 3 % of the steps, then a cosine down to a hundredth."""
        done = self.step / self.settings.steps
        if done < 0.03:
            return self.settings.learning_rate * done / 0.03
        return self.settings.learning_rate * (0.505 + 0.495 * math.cos(math.pi * (done - 0.03) / 0.97))

    def _draw(self) -> None:
        self._draws.manual_seed(self.settings.seed * 1_000_003 + self.step)
        size = self.settings.batch
        simulated = round(size * self.settings.simulated_share)

        def pick(starts: torch.Tensor, count: int) -> torch.Tensor:
            return starts[torch.randint(len(starts), (count,), generator=self._draws, device=self.device)]

        self._starts.copy_(
            torch.cat(
                [pick(self._recorded_starts, size - simulated), pick(self._simulated_starts, simulated)]
            )
        )
        self._shifts.copy_(torch.randint(52, (size,), generator=self._draws, device=self.device))

    def _advance(self) -> None:
        self._draw()
        rate = self._learning_rate()
        if self.device.type == "cuda":
            self._rate.fill_(rate)
            self._advance_on_gpu()
        else:
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            self._train_step()
        self.step += 1

    def _advance_on_gpu(self) -> None:
        if self._graph is None:
            self._graph = self._capture()
        if isinstance(self._graph, torch.cuda.CUDAGraph):
            self._graph.replay()
        else:
            self._train_step()

    def _capture(self) -> torch.cuda.CUDAGraph | str:
        """One step as a CUDA graph; where it cannot be captured, why, and the steps are launched singly."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):  # cuDNN and the optimizer set themselves up in the first steps
                self._train_step()
        torch.cuda.current_stream().wait_stream(aside)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._train_step()
        except RuntimeError as error:
            print(f"no CUDA graph, steps are launched singly: {error}", flush=True)
            return str(error)
        return graph

    def _train_step(self) -> None:
        self.model.train()
        self._optimizer.zero_grad(set_to_none=False)
        batch: Batch = self.windows.batch(self._starts, self._shifts)
        prediction = self.model(batch.x).prediction
        losses = pinball(prediction, batch.y, self._quantiles).mean(-1) * batch.weight
        loss = losses.sum() / batch.weight.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0, foreach=True)
        self._optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self._averaged, self._parameters, 1 - self.settings.average)
        self._loss.copy_(loss.detach())

"""Fits the default Temporal Fusion Transformer on recorded and simulated machines.

The network, its data set and its checkpoint are pytorch-forecasting's own. This file draws the windows and
runs the loop. The learning rate follows the clock, so that a run ends in the time it was given on any
machine. Progress is printed, and the state is saved to RUN/last.pt at every validation; the same command
resumes from it.
"""

import math
import time
from dataclasses import asdict
from pathlib import Path

import torch
from pytorch_forecasting import TemporalFusionTransformer, TimeSeriesDataSet
from pytorch_forecasting.metrics import QuantileLoss
from torch import distributed

from ..windows.metrics import METRICS, QUANTILES, TARGET
from .captured_step import CapturedStep
from .draws import Drawn, Draws
from .fleet import Data
from .settings import Settings
from .training_network import prepare_for_training
from .training_windows import Windows

TARGET_RANGE = next((metric.minimum, metric.maximum) for metric in METRICS if metric.name == TARGET)
_PATIENCE = 0.3  # of the run without a better validation: it stops


def make_model(
    dataset: TimeSeriesDataSet, settings: Settings, read: tuple[str, ...]
) -> TemporalFusionTransformer:
    """The past is read as the metrics of `read`; calendar and lagged target are read for the horizon only."""
    torch.manual_seed(settings.network_seed)
    return TemporalFusionTransformer.from_dataset(
        dataset,
        hidden_size=settings.hidden,
        attention_head_size=settings.heads,
        lstm_layers=1,
        hidden_continuous_size=settings.continuous,
        dropout=settings.dropout,
        loss=QuantileLoss(list(QUANTILES)),
        learning_rate=settings.learning_rate,
        log_interval=-1,
        time_varying_reals_encoder=["relative_time_idx", *read],
    )


def pinball(prediction: torch.Tensor, y: torch.Tensor, quantiles: torch.Tensor) -> torch.Tensor:
    """Pinball loss of each output, in the target's unit: max(q·e, (q-1)·e), e = y - prediction."""
    error = y[..., None] - prediction
    return torch.maximum(quantiles * error, (quantiles - 1) * error)


def crossing(prediction: torch.Tensor) -> torch.Tensor:
    """By how much neighbouring quantiles are out of order, summed over the quantiles."""
    return torch.relu(-prediction.diff(dim=-1)).sum(-1)


def window_weight(scale: torch.Tensor) -> torch.Tensor:
    """Between points, where restless machines are all that counts, and shares of each machine's own scale."""
    return torch.rsqrt(scale + 1.0)


class Trainer:
    """The loop: draws, steps, averages the weights, validates, saves.

    Several processes (torch.distributed) step alike: each draws its own windows, the gradients are averaged.
    On a GPU, a step is a CUDA graph.
    """

    def __init__(self, data: Data, settings: Settings, device: torch.device, run: Path):
        self.settings = settings
        self.device = device
        self.run = run
        self.shared = distributed.is_initialized()
        self.rank = distributed.get_rank() if self.shared else 0
        self.model = make_model(data.dataset, settings, data.read)
        self.windows = Windows(data.training, data.dataset, device, data.read)
        self.validation = Windows(data.validation, data.dataset, device, data.read)
        prepare_for_training(self.model, self.windows.encoder_length, self.windows.horizon)
        self.model.to(device)
        self._draws = Draws(data, self.windows, settings, device)
        self._quantiles = torch.tensor(QUANTILES, device=device)
        self._parameters = [p for p in self.model.parameters() if p.requires_grad]
        self._averaged = [p.detach().clone() for p in self._parameters]
        self._captured = CapturedStep(self._step) if device.type == "cuda" else None
        self._optimizer = torch.optim.AdamW(
            self._parameters,
            lr=self._rate(settings.learning_rate),
            weight_decay=settings.weight_decay,
            foreach=True,
            capturable=self._captured is not None,
        )
        self.step = 0
        self.done = 0.0  # the share of the run's time that has passed
        self.best = float("inf")
        self.best_at = 0.0
        self._loss = torch.zeros(())

    def fit(self, validate_every: float, seconds: float | None = None) -> None:
        """`validate_every` is in minutes; after `seconds` the run is interrupted."""
        started = last_shown = last_validated = time.monotonic()
        before, first = self.done, self.step
        while self.done < 1.0:
            passed = time.monotonic() - started
            if seconds is not None and passed >= seconds:
                self._say(f"the time limit is reached at step {self.step}; the same command resumes there")
                break
            self._advance(before + passed / 60 / self.settings.minutes)
            now = time.monotonic()
            if self.step == first + 20 or now - last_shown > 20:
                last_shown = now
                rate = (self.step - first) / (now - started)
                left = max(1 - self.done, 0) * self.settings.minutes
                self._say(
                    f"step {self.step} loss {float(self._loss):.4f} {rate:.2f} steps/s, {left:.0f} min left"
                )
            if self._agree(now - last_validated > validate_every * 60 or self.done >= 1.0):
                last_validated = time.monotonic()
                if self.rank == 0:
                    self.checkpoint()
                if self._agree(self.done - self.best_at > _PATIENCE):
                    self._say("no better for long: the run ends early")
                    self.done = 1.0
        if self.rank == 0:
            self.save("last.pt")

    def checkpoint(self) -> None:
        loss, coverage = self.validate()
        mark = ""
        if loss < self.best:
            self.best, self.best_at, mark = loss, self.done, " (best so far)"
            self.save("best.pt")
        self._say(f"step {self.step} validation loss {loss:.4f}, 80 % band holds {coverage:.1%}{mark}")
        self.save("last.pt")

    def validate(self) -> tuple[float, float]:
        """Weighted loss and coverage of the 10-90 % band on the other machines' later span, averaged
        weights."""
        prediction, y, recorded, scale = self.validation_forecasts()
        prediction = prediction.clamp(*TARGET_RANGE).sort(dim=-1).values
        loss = pinball(prediction, y, self._quantiles.cpu()).mean(-1)
        weight = recorded * window_weight(scale)
        low, high = QUANTILES.index(0.1), QUANTILES.index(0.9)
        held = (y >= prediction[..., low] - 0.01) & (y <= prediction[..., high] + 0.01)
        return float((loss * weight).sum() / weight.sum()), float((held * recorded).sum() / recorded.sum())

    def validation_forecasts(self, windows: int = 1200) -> tuple[torch.Tensor, ...]:
        """Forecasts, what was measured, whether it was, and the window's scale, spread over the windows."""
        self._exchange()
        self.model.eval()
        outputs = []
        stride = max(1, len(self.validation.starts) // windows)
        with torch.inference_mode():
            for starts in self.validation.starts[::stride].split(128):
                batch = self.validation.batch(starts)
                prediction = self.model(batch.x).prediction
                outputs.append((prediction, batch.y, batch.weight, batch.x["target_scale"][:, 1:]))
        self._exchange()
        return tuple(torch.cat(parts).cpu() for parts in zip(*outputs, strict=True))

    def save(self, name: str) -> None:
        self.run.mkdir(parents=True, exist_ok=True)
        state = {
            "step": self.step,
            "done": self.done,
            "best": self.best,
            "best_at": self.best_at,
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
        self.step, self.done = state["step"], state["done"]
        self.best, self.best_at = state["best"], state["best_at"]
        self.model.load_state_dict(state["model"])
        torch._foreach_copy_(self._averaged, state["averaged"])
        self._optimizer.load_state_dict(state["optimizer"])
        for group in self._optimizer.param_groups:  # the state may come from another kind of device
            group["lr"] = self._rate(float(group["lr"]))
            group["capturable"] = self._captured is not None
        return True

    def averaged_state(self) -> dict[str, torch.Tensor]:
        """The model's state with the averaged weights."""
        self._exchange()
        state = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self._exchange()
        return state

    def _exchange(self) -> None:
        """Swaps the weights in use with their averages."""
        with torch.no_grad():
            for used, averaged in zip(self._parameters, self._averaged, strict=True):
                kept = used.detach().clone()
                used.copy_(averaged)
                averaged.copy_(kept)

    def _learning_rate(self) -> float:
        """Linear warm-up over 3 % of the time, then a cosine down to a hundredth."""
        if self.done < 0.03:
            return self.settings.learning_rate * max(self.done, 1e-4) / 0.03
        return self.settings.learning_rate * (0.505 + 0.495 * math.cos(math.pi * (self.done - 0.03) / 0.97))

    def _rate(self, rate: float) -> torch.Tensor | float:
        """A CUDA graph reads the learning rate from a tensor."""
        return rate if self._captured is None else torch.tensor(rate, device=self.device)

    def _advance(self, done: float) -> None:
        rate = self._learning_rate()
        drawn = self._draws.draw(self.step, self.rank)
        if self._captured is None:
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            self._loss = self._gradients(drawn)
            self.done = self._average_gradients(done)
            self._update()
        else:
            for group in self._optimizer.param_groups:
                group["lr"].fill_(rate)
            self._loss = self._captured(drawn)
            self.done = done
        with torch.no_grad():
            decay = min(self.settings.average, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(self._averaged, self._parameters, 1 - decay)
        self.step += 1

    def _step(self, drawn: Drawn) -> torch.Tensor:
        loss = self._gradients(drawn)
        self._update()
        return loss

    def _gradients(self, drawn: Drawn) -> torch.Tensor:
        self.model.train()
        self._optimizer.zero_grad(set_to_none=False)
        batch = self.windows.batch(*drawn)
        prediction = self.model(batch.x).prediction
        losses = pinball(prediction, batch.y, self._quantiles).mean(-1)
        losses = losses + self.settings.crossing_penalty * crossing(prediction)
        weight = batch.weight * window_weight(batch.x["target_scale"][:, 1:])
        loss = (losses * weight).sum() / weight.sum()
        loss.backward()
        return loss.detach()

    def _update(self) -> None:
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0, foreach=True)
        self._optimizer.step()

    def _average_gradients(self, done: float) -> float:
        """Over the processes; with them the time that has passed, so that all have one learning rate."""
        if not self.shared:
            return done
        gradients = [p.grad for p in self._parameters]
        flat = torch.cat([*(g.flatten() for g in gradients), torch.tensor([done])])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        parts = flat[:-1].split([g.numel() for g in gradients])
        torch._foreach_copy_(gradients, [part.view_as(g) for part, g in zip(parts, gradients, strict=True)])
        return float(flat[-1])

    def _agree(self, choice: bool) -> bool:
        """What the first process chose."""
        if not self.shared:
            return choice
        chosen = torch.tensor([float(choice)])
        distributed.broadcast(chosen, 0)
        return bool(chosen[0])

    def _say(self, text: str) -> None:
        if self.rank == 0:
            print(text, flush=True)

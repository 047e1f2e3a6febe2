"""The settings of a training run: the defaults of `train`, and what the bundle records of its training."""

from dataclasses import dataclass

from ..windows.metrics import ENCODER_LENGTH, HORIZON, STEP_MINUTES


def default_lags(
    encoder: int = ENCODER_LENGTH, horizon: int = HORIZON, step_minutes: int = STEP_MINUTES
) -> tuple[int, ...]:
    """A day, an hour less than a day, half a day and the horizon, in steps: those that the window holds.

    A lag is within the window for each step of the horizon if it is at least the horizon and at most the
    encoder's length. With them the network repeats a day, and whatever recurs within one, without searching
    the window for it.
    """
    day, hour = 24 * 60 / step_minutes, 60 / step_minutes
    wanted = (day, day - hour, day / 2, float(horizon))
    held = {int(steps) for steps in wanted if steps.is_integer() and horizon <= steps <= encoder}
    return tuple(sorted(held, reverse=True))


@dataclass(frozen=True)
class Settings:
    """Written into the bundle."""

    minutes: float = 60.0  # the learning rate follows the clock: the run ends in time on any machine
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    hidden: int = 32
    heads: int = 4
    continuous: int = 16
    dropout: float = 0.1
    average: float = 0.998  # decay of the exponential moving average of the weights
    crossing_penalty: float = 0.1  # on quantiles out of order, in the loss's unit
    scale_floor: float = 0.25  # least scale of a window, in the target's unit
    lags: tuple[int, ...] = default_lags()  # the decoder's target, steps before each of its own
    calendar: str = "shuffled"  # or "kept": moved by whole weeks only
    dropped_metrics: float = 0.25  # chance that a window has none of a metric, its values 0
    simulated_servers: int = 42
    simulated_days: int = 28
    simulated_share: float = 0.12
    validation_share: float = 0.15
    test_share: float = 0.0
    later_share: float = 1 / 6  # of the time recorded: its end, on which other machines choose and calibrate
    processes: int = 1
    seed: int = 7  # of the split and the simulation
    network_seed: int = 7  # of the weights and the draws

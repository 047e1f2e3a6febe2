"""Intervals of a gain by bootstrap over machines (Efron 1979), with the same draws as
src/judging/bootstrap.ts."""

from functools import lru_cache

import numpy as np

SEED = 1
ROUNDS = 2000
FEWEST = 3


@lru_cache(maxsize=64)
def draws(machines: int, seed: int = SEED, rounds: int = ROUNDS) -> np.ndarray:
    """[rounds, machines] numbers of machines, with replacement: mulberry32, in 32-bit arithmetic."""
    count = np.arange(1, rounds * machines + 1, dtype=np.uint64)
    word = np.uint64(0xFFFFFFFF)
    state = (np.uint64(seed) + count * np.uint64(0x6D2B79F5)) & word
    mixed = ((state ^ (state >> np.uint64(15))) * (state | np.uint64(1))) & word
    inner = ((mixed ^ (mixed >> np.uint64(7))) * (mixed | np.uint64(61))) & word
    mixed = mixed ^ ((mixed + inner) & word)
    uniform = (mixed ^ (mixed >> np.uint64(14))).astype(np.float64) / 2**32
    return (uniform * machines).astype(np.int64).reshape(rounds, machines)


def gain_interval(
    losses: np.ndarray, naive: np.ndarray, seed: int = SEED, rounds: int = ROUNDS
) -> tuple[float, float] | None:
    """The 95 % interval of 1 - losses / naive, each summed over machines; None for fewer than 3 machines."""
    if len(losses) < FEWEST:
        return None
    drawn = draws(len(losses), seed, rounds)
    model, base = losses[drawn].sum(axis=1), naive[drawn].sum(axis=1)
    gains = np.where(base == 0, 0.0, 1 - model / np.where(base == 0, 1.0, base))
    low, high = np.quantile(gains, [0.025, 0.975])
    return float(low), float(high)

"""Models with random weights, perturbed so that no error hides behind zeros and ones."""

import warnings

import pytest
import torch

from tiny_models import Recipe, build

warnings.filterwarnings("ignore", module="lightning")
# Tiny models gain nothing from threads, and threads wait on each other when the machine is busy.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny():
    """Builds (once for each recipe) a small random model with its data: `tiny(hidden_size=8, ...)`."""
    built = {}

    def make(**changes):
        key = repr(sorted(changes.items(), key=lambda item: item[0]))
        if key not in built:
            built[key] = build(Recipe(**changes))
        return built[key]

    return make

"""Models with random weights, perturbed so that no error hides behind zeros and ones."""

import warnings

import pytest
import torch

from tft_export.cli import main
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


@pytest.fixture(scope="session")
def tiny_bundle(tiny, tmp_path_factory):
    """A bundle of a small random model, with sample windows but no history. Copy it to change it."""
    folder = tmp_path_factory.mktemp("tiny")
    checkpoint = tiny().save(folder / "model.ckpt")
    arguments = ["export", checkpoint, folder / "bundle", "--exporter", "legacy", "--samples", "24"]
    assert main([str(argument) for argument in arguments]) == 0
    return folder / "bundle"

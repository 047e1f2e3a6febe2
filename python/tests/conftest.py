"""Models with random weights, perturbed so that no error hides behind zeros and ones."""

import shutil
import warnings

import pytest
import torch

from tft_export.bundle import read_samples
from tft_export.cli import main
from tft_export.description import read_description
from tft_export.variants.calibration_set import CalibrationSet, write_calibration_set
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


@pytest.fixture(scope="session")
def calibration(tiny_bundle, tmp_path_factory):
    """The sample windows of `tiny_bundle` as a calibration set."""
    description = read_description(tiny_bundle)
    samples = read_samples(tiny_bundle, description)
    inputs = {entry.name: samples[entry.name] for entry in description.inputs}
    folder = tmp_path_factory.mktemp("calibration") / "samples"
    write_calibration_set(folder, CalibrationSet(inputs, "samples"), description)
    return folder


@pytest.fixture(scope="session")
def derived(tiny_bundle, calibration, tmp_path_factory):
    """`tiny_bundle` with its FP16 and INT8 variants. Copy it to change it."""
    bundle = shutil.copytree(tiny_bundle, tmp_path_factory.mktemp("derived") / "bundle")
    assert main(["variants", str(bundle), "--calibration", str(calibration)]) == 0
    return bundle

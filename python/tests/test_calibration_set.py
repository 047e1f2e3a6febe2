"""Calibration sets: what is read is what was collected, or the message says what is wrong with it."""

import json

import numpy as np
import pytest

from tft_export.bundle import read_samples
from tft_export.cli import main
from tft_export.description import read_description
from tft_export.errors import ExportError
from tft_export.variants.calibration_set import CalibrationSet, read_calibration_set, write_calibration_set


@pytest.fixture
def description(tiny_bundle):
    return read_description(tiny_bundle)


@pytest.fixture
def folder(tiny_bundle, description, tmp_path):
    samples = read_samples(tiny_bundle, description)
    inputs = {entry.name: samples[entry.name] for entry in description.inputs}
    write_calibration_set(tmp_path / "set", CalibrationSet(inputs, "samples"), description)
    return tmp_path / "set"


def change(folder, **entries):
    path = folder / "calibration.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def change_file(folder, name, **entries):
    files = json.loads((folder / "calibration.json").read_text())["files"]
    files[name].update(entries)
    change(folder, files=files)


def test_what_was_written_is_read(tiny_bundle, description, folder):
    found = read_calibration_set(folder, description)
    samples = read_samples(tiny_bundle, description)
    assert len(found) == description.samples.count
    for entry in description.inputs:
        np.testing.assert_array_equal(found.inputs[entry.name], samples[entry.name])
        assert found.inputs[entry.name].dtype == entry.type


def test_what_a_collector_adds_is_no_hindrance(description, folder):
    change(folder, seen=1000, seed=7, created="2026-01-01T00:00:00Z")
    assert len(read_calibration_set(folder, description)) == description.samples.count


def truncate(folder):
    path = folder / "decoder_cont.bin"
    path.write_bytes(path.read_bytes()[:-4])


def flip(folder):
    path = folder / "encoder_cont.bin"
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def rewrite(folder, name, values):
    import hashlib

    (folder / f"{name}.bin").write_bytes(values.tobytes())
    change_file(folder, name, sha256=hashlib.sha256(values.tobytes()).hexdigest())


def make_infinite(folder):
    values = np.fromfile(folder / "encoder_cont.bin", np.float32)
    values[5] = np.inf
    rewrite(folder, "encoder_cont", values)


def use_unknown_code(folder):
    values = np.fromfile(folder / "decoder_cat.bin", np.int32)
    values[3] = 99
    rewrite(folder, "decoder_cat", values)


def drop_an_input(folder):
    inputs = json.loads((folder / "calibration.json").read_text())["inputs"]
    change(folder, inputs=inputs[1:])


@pytest.mark.parametrize(
    ("damage", "code", "named"),
    [
        (lambda folder: (folder / "calibration.json").unlink(), "calibration_not_found", "tft calibration"),
        (lambda folder: (folder / "calibration.json").write_text("{"), "calibration_invalid", "the file"),
        (lambda folder: change(folder, schemaVersion=2), "calibration_invalid", "schemaVersion 2"),
        (lambda folder: change(folder, windows=0), "calibration_invalid", "no window"),
        (lambda folder: change(folder, windows=5), "calibration_invalid", "5 windows"),
        (lambda folder: change(folder, windows="many"), "calibration_invalid", "windows"),
        (lambda folder: change(folder, files={}), "calibration_invalid", "encoder_cont"),
        (lambda folder: (folder / "encoder_cat.bin").unlink(), "calibration_invalid", "encoder_cat.bin"),
        (truncate, "calibration_invalid", "decoder_cont.bin"),
        (flip, "calibration_changed", "encoder_cont.bin"),
        (make_infinite, "calibration_invalid", "not finite"),
        (use_unknown_code, "calibration_invalid", "code outside"),
        (drop_an_input, "calibration_mismatch", "encoder_cont is missing"),
        (
            lambda folder: change_file(folder, "encoder_cont", path="../elsewhere.bin"),
            "calibration_invalid",
            "outside the set",
        ),
    ],
)
def test_a_damaged_set_is_refused_by_name(folder, description, damage, code, named):
    damage(folder)
    with pytest.raises(ExportError, match=named) as caught:
        read_calibration_set(folder, description)
    assert caught.value.code == code


def test_a_set_of_another_model_is_refused(folder, description):
    description.inputs[0].shape = ("batch", 288, 14)
    with pytest.raises(ExportError, match=r"288, 14") as caught:
        read_calibration_set(folder, description)
    assert caught.value.code == "calibration_mismatch"


def test_the_command_says_so_in_one_line(tiny_bundle, tmp_path, capsys):
    assert main(["variants", str(tiny_bundle), "--calibration", str(tmp_path / "none")]) == 2
    error = capsys.readouterr().err
    assert error.endswith("[calibration_not_found]\n")
    assert error.count("\n") == 1

"""The models that tutorials and competitions publish, exported unchanged."""

import json
import shutil

import pytest

from public_structures import PUBLISHED
from tft_export.cli import main
from tft_export.description import read_description
from tft_export.windows.recording import Recording

EXPECTED = {
    "stallion": {
        "ahead": {"time_idx": "count", "price_regular": "given", "discount_in_percent": "given"},
        "statics": ["avg_population_2017", "avg_yearly_household_income_2017"],
        "series": ["agency", "sku"],
        "known": ["time_idx", "price_regular", "discount_in_percent"],
    },
    "electricity": {
        "ahead": {"hours_from_start": "given"},
        "statics": [],
        "series": ["consumer"],
        "known": ["hours_from_start", "hour", "day_of_week"],
    },
    "m5": {
        "ahead": {"time_idx": "count", "sell_price": "given"},
        "statics": [],
        "series": ["item_id", "store_id"],
        "known": ["time_idx", "sell_price"],
    },
    "retail": {
        "ahead": {
            "promo": "given", "open": "given", "school_holiday": "given", "price_index": "given",
            "month": "calendar", "day_of_week": "calendar",
        },
        "statics": ["competition_distance"],
        "series": ["store"],
        "known": ["promo", "open", "school_holiday", "price_index", "month", "day_of_week"],
    },
    "monitoring": {
        "ahead": {"time_idx": "count", "minute_of_day": "given"},
        "statics": [],
        "series": ["host"],
        "known": ["time_idx", "minute_of_day"],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_structure_exports_unchanged_and_equals_pytorch(name, tmp_path, capsys):
    published = PUBLISHED[name]()
    checkpoint = published.save(tmp_path / "model.ckpt")
    history = published.write_history(tmp_path / "history.csv")
    bundle = tmp_path / "bundle"
    assert main(["check", str(checkpoint)]) == 0
    step = ["--step", published.step]
    arguments = ["export", checkpoint, bundle, *step, "--samples", 8, "--exporter", "legacy"]
    assert main([str(argument) for argument in arguments]) == 0
    model = json.loads((bundle / "model.json").read_text())
    expected = EXPECTED[name]
    assert {m["name"]: m["ahead"] for m in model["metrics"] if "ahead" in m} == expected["ahead"]
    assert [static["name"] for static in model.get("statics", [])] == expected["statics"]
    assert model["series"] == expected["series"]
    assert model["known"] == expected["known"]
    capsys.readouterr()
    arguments = ["verify", bundle, "--json", "--data", history, "--windows", 8]
    assert main([str(argument) for argument in arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["comparisons"]) == 3
    assert all(comparison["windows"] == 8 for comparison in report["comparisons"])
    # What precisions are judged and calibrated by.
    description = read_description(bundle)
    inputs = Recording.read(history, None, description).inputs()
    shapes = {name: (array.dtype.name, *array.shape[1:]) for name, array in inputs.items()}
    assert shapes == {tensor.name: (tensor.type, *tensor.shape[1:]) for tensor in description.inputs}
    shutil.rmtree(bundle)

"""The history format by the cases that the reader of `tft predict` passes too."""

import json
from pathlib import Path

import numpy as np
import pytest

from tft_export.errors import ExportError
from tft_export.windows.history import on_grid, read_history
from tft_export.windows.step_grid import StepGrid
from tft_export.windows.written import HistoryFormat

CASES = json.loads(
    (Path(__file__).parents[2] / "test/fixtures/history-cases.json").read_text(encoding="utf-8")
)
_OPTIONS = {
    "separator": "separator",
    "decimal": "decimal",
    "missing": "missing",
    "missingRows": "missing_rows",
}


def _written(case: dict) -> HistoryFormat:
    options = {_OPTIONS[name]: value for name, value in case.get("options", {}).items()}
    if "missing" in options:
        options["missing"] = tuple(options["missing"])
    return HistoryFormat(**options)


@pytest.mark.parametrize("case", CASES["cases"], ids=[case["name"] for case in CASES["cases"]])
def test_a_file_is_read_as_the_other_reader_reads_it(case, tmp_path):
    path = tmp_path / "history.csv"
    path.write_bytes(case["csv"].encode())
    metrics, category = CASES["metrics"], CASES["category"]["name"]

    def read():
        history = read_history(path, None, metrics, [category], _written(case))
        return on_grid(
            history, StepGrid(CASES["stepMinutes"]), CASES["maxGapMinutes"] // CASES["stepMinutes"]
        )

    if case.get("error"):
        with pytest.raises(ExportError) as refused:
            read()
        assert refused.value.code.startswith("history_")
        return
    gridded = read()
    found = {
        server: {
            "first": rows["timestamp"].iloc[0].strftime("%Y-%m-%dT%H:%MZ"),
            "metrics": rows[metrics].to_numpy(np.float64).tolist(),
            "status": rows[category].tolist(),
        }
        for server, rows in gridded.groupby("server_name")
    }
    assert found == case["servers"]

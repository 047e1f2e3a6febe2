"""Column maps: how the columns of a recording become the model's metrics.

A map is a JSON file (`maps/bitbrains.json` is one) that `tft predict --map` reads too. A metric is a
`column` (with an optional `scale`), a `sum` of terms, each a number times a product of columns, or a
`constant`; `clip` bounds the value. A metric that the map leaves out is the column of its own name.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import ExportError
from .metrics import METRIC_NAMES, UNKNOWN
from .written import HistoryFormat, parse_numbers

_TOP_KEYS = {
    "schemaVersion", "name", "description", "timestamp", "server_name", "profile", "status", "metrics",
}  # fmt: skip
_AS_USUAL = HistoryFormat()
_FORMS = ("column", "sum", "constant")


class ColumnMap:
    """A parsed map; `apply` turns a recording's frame into the columns of HISTORY_COLUMNS."""

    def __init__(self, spec: Mapping, source: str = "column map"):
        self._source = source
        self._spec = spec
        self._check()

    @classmethod
    def read(cls, path: str | Path) -> "ColumnMap":
        try:
            spec = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise ExportError("map_not_found", f"cannot read the column map {path}: {error}") from error
        except ValueError as error:
            raise ExportError("map_invalid", f"{path} is not JSON: {error}") from error
        if not isinstance(spec, dict):
            raise ExportError("map_invalid", f"{path}: expected an object, found {type(spec).__name__}")
        return cls(spec, str(path))

    @property
    def kinds(self) -> dict[str, str]:
        """For each metric the map names: 'recorded', 'derived' or 'constant'."""
        kind = {"column": "recorded", "sum": "derived", "constant": "constant"}
        return {name: kind[self._form(rule, name)] for name, rule in self._spec.get("metrics", {}).items()}

    @property
    def text_columns(self) -> set[str]:
        """The columns that hold no numbers."""
        named = {self._spec.get(key) for key in ("timestamp", "server_name")}
        rules = (self._spec.get(category) or {} for category in ("profile", "status"))
        return {name for name in (*named, *(rule.get("column") for rule in rules)) if name}

    def apply(
        self,
        frame: pd.DataFrame,
        metrics: Sequence[str] = METRIC_NAMES,
        written: HistoryFormat = _AS_USUAL,
    ) -> pd.DataFrame:
        """The columns of a history; `written` says how numbers are written that pandas has left as text."""
        mapped = pd.DataFrame(index=frame.index)
        mapped["timestamp"] = self._column(frame, self._spec.get("timestamp", "timestamp"), "timestamp")
        mapped["server_name"] = self._column(
            frame, self._spec.get("server_name", "server_name"), "server_name"
        )
        for category in ("profile", "status"):
            mapped[category] = self._category(frame, category)
        rules = self._spec.get("metrics", {})
        for metric in metrics:
            mapped[metric] = self._metric(frame, metric, rules.get(metric, {"column": metric}), written)
        return mapped

    def _check(self) -> None:
        if self._spec.get("schemaVersion", 1) != 1:
            raise self._invalid("schemaVersion", "is not 1")
        for key in self._spec:
            if key not in _TOP_KEYS:
                raise self._invalid(key, "is not a key of a column map")
        for name, rule in self._spec.get("metrics", {}).items():
            form = self._form(rule, name)
            where = f"metrics.{name}"
            if form == "sum" and not all(
                isinstance(term, list)
                and term
                and isinstance(term[0], int | float)
                and all(isinstance(column, str) for column in term[1:])
                for term in rule["sum"]
            ):
                raise self._invalid(f"{where}.sum", "must be a list of terms [number, column, …]")
            if form == "constant" and not isinstance(rule["constant"], int | float):
                raise self._invalid(f"{where}.constant", "must be a number")
            for key in rule:
                if key not in {*_FORMS, "clip", "why"} and not (key == "scale" and form == "column"):
                    raise self._invalid(f"{where}.{key}", f"does not belong to a {form}")

    def _form(self, rule: object, name: str) -> str:
        forms = [form for form in _FORMS if isinstance(rule, dict) and form in rule]
        if len(forms) != 1:
            raise self._invalid(f"metrics.{name}", "must have exactly one of column, sum, constant")
        return forms[0]

    def _metric(self, frame: pd.DataFrame, name: str, rule: Mapping, written: HistoryFormat) -> np.ndarray:
        where = f"metrics.{name}"
        match self._form(rule, name):
            case "column":
                value = self._numbers(frame, rule["column"], where, written) * rule.get("scale", 1)
            case "constant":
                value = np.full(len(frame), float(rule["constant"]))
            case "sum":
                value = np.zeros(len(frame))
                for factor, *columns in rule["sum"]:
                    term = np.full(len(frame), float(factor))
                    for column in columns:
                        term = term * self._numbers(frame, column, where, written)
                    value = value + term
        if "clip" in rule:
            low, high = rule["clip"]
            value = np.clip(value, low, high)
        return value.astype(np.float32)

    def _category(self, frame: pd.DataFrame, name: str) -> pd.Series:
        rule = self._spec.get(name)
        if rule is None:
            return frame[name] if name in frame else pd.Series(UNKNOWN, index=frame.index)
        if "constant" in rule:
            return pd.Series(rule["constant"], index=frame.index)
        column = self._column(frame, rule["column"], name)
        return column.map(lambda theirs: rule["values"].get(theirs, theirs)) if "values" in rule else column

    def _numbers(self, frame: pd.DataFrame, column: str, where: str, written: HistoryFormat) -> np.ndarray:
        return parse_numbers(self._column(frame, column, where), written, column)

    def _column(self, frame: pd.DataFrame, column: str, where: str) -> pd.Series:
        if column not in frame:
            raise ExportError(
                "history_column",
                f"{self._source} takes {where} from column '{column}', which the history does not have; "
                f"it has {', '.join(map(str, frame.columns))}",
            )
        return frame[column]

    def _invalid(self, key: str, problem: str) -> ExportError:
        return ExportError("map_invalid", f"{self._source}: {key} {problem}")

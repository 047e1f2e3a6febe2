"""How a history file is written: time stamps, numbers, missing values, separators.

docs/cli.md is the specification, and test/fixtures/history-cases.json holds this reader and that of
`tft predict` to it.
"""

import csv
import datetime
import gzip
import io
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from ..errors import ExportError

# Spellings of a value that was not measured, in columns of numbers; letters in any case.
MISSING_SPELLINGS = ("nan", "na", "n/a", "null", "none", "\\n", "-")
SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class HistoryFormat:
    """A file's way of writing, where it is not as most are."""

    separator: str = ","
    decimal: str = "."
    missing: tuple[str, ...] = MISSING_SPELLINGS
    # A row with a missing value counts as missing ('fill'), or the file is refused ('refuse').
    missing_rows: str = "fill"


def read_table(path: str | Path, written: HistoryFormat, text_columns: Iterable[str]) -> pd.DataFrame:
    """A file's columns: those of `text_columns` as text, the others as numbers where they are numbers.

    Rows of nothing and columns without a name are left out. Raises history_not_found, history_invalid,
    history_column, history_empty.
    """
    try:
        names = _check_rows(path, written)
        frame = _parse(path, written, names, set(text_columns))
    except OSError as error:
        raise ExportError("history_not_found", f"cannot read the history {path}: {error}") from error
    except ValueError as error:
        raise ExportError("history_invalid", f"{path} is not a CSV file: {error}") from error
    texts = [name for name in frame.columns if not is_numeric_dtype(frame[name])]
    for name in texts:
        frame[name] = frame[name].astype(object).fillna("").astype(str).str.strip().astype(object)
    blank = np.ones(len(frame), dtype=bool)
    for name in frame.columns:
        blank &= (frame[name] == "").to_numpy() if name in texts else frame[name].isna().to_numpy()
    frame = frame[~blank].reset_index(drop=True)
    if frame.empty:
        raise ExportError("history_empty", f"{path} has no rows")
    return frame


def parse_times(column: pd.Series, path: str | Path) -> pd.Series:
    """Time stamps in UTC. Raises history_invalid."""
    times = {}
    for text in column.unique():
        time = parse_timestamp(text)
        if time is None:
            raise ExportError(
                "history_invalid",
                f"{path} holds a timestamp that is no time: '{text}'; write it like 2026-01-31T22:05Z",
            )
        times[text] = time
    return pd.to_datetime(column.map(times), unit="ms", utc=True)


def parse_numbers(column: pd.Series, written: HistoryFormat, name: str) -> np.ndarray:
    """A column as float64, NaN where nothing was measured. Raises history_value."""
    if is_numeric_dtype(column):
        values = column.to_numpy(np.float64)
    else:
        spellings = {"", *(spelling.strip().lower() for spelling in written.missing)}
        numbers = {text: _number(text, written, spellings, name) for text in column.unique()}
        values = column.map(numbers).to_numpy(np.float64)
    if (np.abs(values) > np.finfo(np.float32).max).any() or column.dtype == bool:
        raise ExportError(
            "history_value", f"column '{name}' holds something that is not a number that float32 can hold"
        )
    return values


_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?"
)
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)[Tt ](\d\d)(\d\d)(\d\d)?(.*)")
_DATE = re.compile(r"\d{4}([-/])\d\d\1\d\d")
_UTC_NAME = re.compile(r" ?(?:UTC|GMT)$|(?<=[Zz0-9])\[(?:UTC|GMT|Z|Etc/UTC)\]$")
_SPACED_OFFSET = re.compile(r" (?=[+-]\d\d:?\d\d$)")
_SLASHES = re.compile(r"^(\d{4})/(\d\d)/(\d\d)")
_EPOCH = re.compile(r"(\d+)(?:\.(\d+))?(?:[eE]\+?(\d{1,2}))?")
# Since 1970, by their digits: seconds, milliseconds, microseconds, nanoseconds.
_EPOCH_SCALES = {10: 1000.0, 13: 1.0, 16: 1e-3, 19: 1e-6}
_MOST_OFFSET_HOURS = 14


def parse_timestamp(text: str) -> int | None:
    """Milliseconds since 1970 in UTC, or None for what is no time. Days or months first are none."""
    text = text.strip()
    time = _parse_iso(text)
    if time is None:
        time = _parse_epoch(text)
    if time is not None:
        return time
    plain = _UTC_NAME.sub(lambda match: "" if match[0].startswith("[") else "Z", text)
    plain = _SPACED_OFFSET.sub("", plain)
    if _DATE.fullmatch(plain):
        return _parse_iso(plain.replace("/", "-") + "T00:00")
    if basic := _BASIC.fullmatch(plain):
        year, month, day, hour, minute, second, zone = basic.groups()
        return _parse_iso(f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}{zone}")
    return _parse_iso(_SLASHES.sub(r"\1-\2-\3", plain))


def _parse_iso(text: str) -> int | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    offset = int(hours or 0) * 60 + int(minutes or 0)
    if int(hours or 0) > _MOST_OFFSET_HOURS or int(minutes or 0) > 59:
        return None
    try:
        time = datetime.datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=datetime.UTC
        )
    except ValueError:
        return None
    since = time - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    milliseconds = since.days * 86_400_000 + since.seconds * 1000 + int(f"{fraction or ''}000"[:3])
    return milliseconds - (-1 if sign == "-" else 1) * offset * 60_000


def _parse_epoch(text: str) -> int | None:
    match = _EPOCH.fullmatch(text)
    if match is None:
        return None
    whole, _, exponent = match.groups()
    scale = _EPOCH_SCALES.get(len(whole) + int(exponent or 0))
    if scale is None:
        return None
    if scale < 1 and exponent is None:
        return int(whole[:13])
    return int(float(text) * scale)


_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def _number(text: str, written: HistoryFormat, spellings: set[str], name: str) -> float:
    plain = text.strip()
    number = plain.replace(",", ".", 1) if written.decimal == "," else plain
    if _PLAIN_NUMBER.fullmatch(number):
        return float(number)
    if plain.lower() in spellings:
        return np.nan
    raise ExportError("history_value", f"column '{name}' holds something that is not a number: '{text}'")


def _open(path: str | Path) -> io.TextIOWrapper:
    """The file as text: unzipped by its first bytes, not by its name, and without a byte order mark."""
    with Path(path).open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return io.TextIOWrapper(
        gzip.open(path) if is_gzip else Path(path).open("rb"), encoding="utf-8-sig", newline=""
    )


def _check_rows(path: str | Path, written: HistoryFormat) -> list[str]:
    """The header's names. pandas fills up rows that are cut off without a word; here each is counted."""
    if written.separator not in SEPARATORS:
        raise ValueError("a separator is one of , ; | or a tab")
    names: list[str] | None = None
    with _open(path) as file:
        lines = iter(file)
        number = 0
        for line in lines:
            number += 1
            fields = line.count(written.separator) + 1
            if '"' in line:
                # A quoted field may hold separators and go on over lines.
                while line.count('"') % 2 == 1:
                    more = next(lines, None)
                    if more is None:
                        raise ValueError(f"line {number}: a quote is opened and never closed")
                    line += more
                row = next(csv.reader(io.StringIO(line), delimiter=written.separator))
                fields = len(row)
            elif line.strip(f"{written.separator} \t\r\n\x1a") == "":
                continue
            if names is None:
                header = next(csv.reader(io.StringIO(line), delimiter=written.separator))
                names = [name.strip() for name in header]
            elif fields != len(names):
                raise ValueError(f"line {number} has {fields} fields, but the header has {len(names)}")
    if names is None:
        raise ExportError("history_empty", f"{path} is empty")
    named = [name for name in names if name]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise ExportError("history_column", f"{path}: two columns are called '{twice}'")
    return names


def _parse(path: str | Path, written: HistoryFormat, names: list[str], texts: set[str]) -> pd.DataFrame:
    places = [name or f"\0{index}" for index, name in enumerate(names)]
    spellings = sorted({"", *written.missing, *(text.upper() for text in written.missing), "NaN", "None"})
    if written.missing is not MISSING_SPELLINGS:
        spellings = sorted({"", *written.missing})
    with _open(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        frame = pd.read_csv(
            file,
            sep=written.separator,
            decimal=written.decimal,
            header=0,
            names=places,
            index_col=False,
            usecols=[name for name in places if not name.startswith("\0")],
            dtype=dict.fromkeys(texts & set(names), str),
            keep_default_na=False,
            na_values={name: spellings for name in names if name and name not in texts},
            skipinitialspace=True,
            low_memory=False,
        )
    # Old programs end a file with this.
    ends = len(frame) > 0 and str(frame.iloc[-1, 0]).strip() == "\x1a"
    return frame.iloc[:-1].copy() if ends else frame

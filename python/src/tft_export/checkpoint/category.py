"""Categories: the bundle's codes of their values, and the rows of the embedding for these codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Category:
    """One channel of encoder_cat and decoder_cat, which the data set knows as `column`.

    `codes` are the bundle's: 0 is 'unknown'. `rows[code]` lists the embedding rows whose mean is used for
    that code: one row, or all of them for the 'unknown' of an encoder that has no class for it.
    `labels[code]` is its label in the data set; None if the data set refuses unknown values.
    """

    name: str
    column: str
    codes: Mapping[str, int]
    rows: tuple[tuple[int, ...], ...]
    role: str
    labels: tuple[Any, ...] = (None,)

    @property
    def unknown_class(self) -> Any:
        """The label of code 0 in the data set's encoder; None if it refuses unknown values."""
        return self.labels[0]

    def embedding(self, weight: torch.Tensor) -> torch.Tensor:
        """The embedding of each of the bundle's codes: [codes, size]."""
        return torch.stack([weight.detach()[list(rows)].mean(0) for rows in self.rows])


def read_category(column: str, encoder: Any, role: str, name: str | None = None) -> Category:
    """The bundle's codes for the classes of a NaNLabelEncoder.

    Code 0 is the class named 'unknown' if the encoder was trained with one, else its code for the missing
    (add_nan), else the mean of all classes, since such a model was trained without unknown values.
    """
    of_missing = [label for label, row in encoder.classes_.items() if encoder.add_nan and row == 0]
    labels = {str(label): label for label in encoder.classes_ if label not in of_missing}
    classes = {text: encoder.classes_[label] for text, label in labels.items()}
    if UNKNOWN in classes:
        unknown_rows, unknown_label = (classes.pop(UNKNOWN),), labels.pop(UNKNOWN)
    elif encoder.add_nan:
        unknown_rows, unknown_label = (0,), of_missing[0] if of_missing else "nan"
    else:
        unknown_rows, unknown_label = tuple(classes.values()), None
    codes = {UNKNOWN: 0, **{label: code for code, label in enumerate(classes, start=1)}}
    rows = (unknown_rows, *((row,) for row in classes.values()))
    return Category(name or column, column, codes, rows, role, (unknown_label, *labels.values()))


def unread_category() -> Category:
    """The channel of a model without categories."""
    return Category("profile", "", {UNKNOWN: 0}, ((0,),), "static")

"""Where to clip a tensor before it is quantized: min-max, percentile and entropy.

Each method takes a histogram of absolute values (see `activations`) and gives the value that the largest
integer, 127, represents.
"""

from dataclasses import dataclass

import numpy as np

LEVELS = 128  # of one sign, 0 included
_ENTROPY_STEP = 8


@dataclass(frozen=True)
class Method:
    """`name` minmax, percentile or entropy; `percentile` of absolute values, in per cent."""

    name: str
    percentile: float | None = None

    def __str__(self) -> str:
        return self.name if self.percentile is None else f"{self.name} {self.percentile:g}"

    def threshold(self, histogram: np.ndarray, largest: float) -> float:
        if self.name == "minmax" or not histogram.sum():
            return largest
        if self.name == "percentile":
            cumulative = np.cumsum(histogram) / histogram.sum()
            kept = int(np.searchsorted(cumulative, self.percentile / 100)) + 1
        else:
            kept = _least_divergence(histogram)
        return largest * min(kept, len(histogram)) / len(histogram)


METHODS = (
    Method("minmax"),
    Method("percentile", 99.999),
    Method("percentile", 99.99),
    Method("percentile", 99.9),
    Method("entropy"),
)


def _least_divergence(histogram: np.ndarray) -> int:
    """How many bins to keep so that the quantized distribution diverges least from the original.

    Kullback and Leibler's divergence as in S. Migacz, '8-bit Inference with TensorRT', GTC 2017.
    """
    best, best_kept = np.inf, len(histogram)
    for kept in range(LEVELS, len(histogram) + 1, _ENTROPY_STEP):
        reference = histogram[:kept].copy()
        reference[-1] += histogram[kept:].sum()
        level = np.arange(kept) * LEVELS // kept
        filled = histogram[:kept] > 0
        sums = np.bincount(level, histogram[:kept], LEVELS)
        counts = np.bincount(level, filled, LEVELS)
        quantized = np.where(filled, sums[level] / np.maximum(counts[level], 1), 0.0)
        divergence = _divergence(reference, quantized)
        if divergence < best:
            best, best_kept = divergence, kept
    return best_kept


def _divergence(p: np.ndarray, q: np.ndarray) -> float:
    if not q.sum():
        return np.inf
    p, q = p / p.sum(), q / q.sum()
    seen = p > 0
    return float((p[seen] * np.log(p[seen] / np.maximum(q[seen], 1e-9))).sum())

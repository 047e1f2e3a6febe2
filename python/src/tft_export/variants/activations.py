"""How large a graph's tensors become on a calibration set: their largest values and histograms of sizes."""

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
from onnx import helper

from .emulate import Runner, batches
from .typed_graph import FLOAT

BINS = 2048
_BATCH = 8  # all of a graph's tensors are held at once


class Activations:
    """Watches float tensors of a float32 graph."""

    def __init__(self, model: onnx.ModelProto, names: Iterable[str]):
        self.names = list(names)
        watched = onnx.ModelProto()
        watched.CopyFrom(model)
        present = {value.name for value in watched.graph.output}
        for name in self.names:
            if name not in present:
                watched.graph.output.append(helper.make_tensor_value_info(name, FLOAT, None))
        self.runner = Runner(watched, self.names)

    def largest(self, inputs: Mapping[str, np.ndarray]) -> dict[str, float]:
        """The largest absolute value of each tensor."""
        largest = np.zeros(len(self.names))
        for batch in batches(inputs, _BATCH):
            found = [float(np.abs(value).max(initial=0.0)) for value in self.runner.run(batch)]
            largest = np.maximum(largest, found)
        return dict(zip(self.names, largest.tolist(), strict=True))

    def shapes(self, inputs: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
        """Each tensor's shape for one window."""
        one = {name: values[:1] for name, values in inputs.items()}
        return {name: value.shape for name, value in zip(self.names, self.runner.run(one), strict=True)}

    def histograms(
        self, inputs: Mapping[str, np.ndarray], largest: Mapping[str, float]
    ) -> dict[str, np.ndarray]:
        """Counts of absolute values in BINS equal bins from 0 to each tensor's largest value."""
        counts = {name: np.zeros(BINS) for name in self.names}
        for batch in batches(inputs, _BATCH):
            for name, value in zip(self.names, self.runner.run(batch), strict=True):
                top = largest[name] or 1.0
                bins = np.minimum(np.abs(value).ravel() * (BINS / top), BINS - 1).astype(np.int32)
                counts[name] += np.bincount(bins, minlength=BINS)
        return counts

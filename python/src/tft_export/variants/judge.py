"""Measures graphs against the bundle's float32 graph on a calibration set."""

import numpy as np
import onnx

from ..description import Goal
from ..goals import distance, harm
from .calibration_set import CalibrationSet
from .emulate import Runner

# Windows that are enough to rank parts by what each does alone.
_QUICK = 64


class Judge:
    """`spread`: the target's standard deviation, which differences are shares of."""

    def __init__(self, model: onnx.ModelProto, windows: CalibrationSet, spread: float):
        self.inputs, self.spread = windows.inputs, spread
        self.few = {name: values[:: -(-len(windows) // _QUICK)] for name, values in windows.inputs.items()}
        self.reference = Runner(model).forecasts(self.inputs)

    def distance(self, model: onnx.ModelProto, goal: Goal) -> float:
        """How far from the goal, as `goals.distance` has it: at most 1 if it is reached."""
        return distance(goal, self._shares(Runner(model).forecasts(self.inputs) - self.reference))

    def harm(self, model: onnx.ModelProto, base: np.ndarray, goal: Goal) -> float:
        """The differences of a graph's forecasts of the `few` windows from `base`, as shares of the
        spread."""
        return harm(goal, self._shares(self.forecasts_of_few(model) - base))

    def forecasts_of_few(self, model: onnx.ModelProto) -> np.ndarray:
        return Runner(model).forecasts(self.few)

    def _shares(self, differences: np.ndarray) -> np.ndarray:
        return differences.astype(np.float64) / self.spread

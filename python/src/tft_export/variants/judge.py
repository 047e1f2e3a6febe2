"""Measures graphs against the bundle's float32 graph on a calibration set."""

import numpy as np
import onnx

from .calibration_set import CalibrationSet
from .emulate import Runner
from .goals import Goal

# Every n-th window is enough to tell what one part alone does.
_QUICK = 4


class Judge:
    """`spread`: the target's standard deviation, which differences are shares of."""

    def __init__(self, model: onnx.ModelProto, windows: CalibrationSet, spread: float):
        self.inputs, self.spread = windows.inputs, spread
        self.reference = Runner(model).forecasts(self.inputs)

    def differences(self, model: onnx.ModelProto, quick: bool = False) -> np.ndarray:
        """[windows, horizon, quantiles], as shares of the spread."""
        step = _QUICK if quick else 1
        inputs = {name: values[::step] for name, values in self.inputs.items()}
        forecasts = Runner(model).forecasts(inputs).astype(np.float64)
        return (forecasts - self.reference[::step]) / self.spread

    def distance(self, model: onnx.ModelProto, goal: Goal, quick: bool = False) -> float:
        return goal.distance(self.differences(model, quick))

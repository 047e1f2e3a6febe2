"""A bundle's sample windows."""

from pathlib import Path

import numpy as np


def read_samples(bundle: Path, description: dict) -> dict[str, np.ndarray]:
    count, files = description["samples"]["count"], description["samples"]["files"]
    arrays = {}
    for tensor in description["inputs"]:
        name, kind = tensor["name"], np.float32 if tensor["type"] == "float32" else np.int32
        arrays[name] = np.fromfile(bundle / files[name]["path"], kind).reshape(count, *tensor["shape"][1:])
    return arrays

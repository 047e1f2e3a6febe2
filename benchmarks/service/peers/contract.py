"""The demo model's tensors, for servers whose model does nothing, and the location of Triton's files."""

import importlib.util
import json
import os
import sysconfig
from pathlib import Path

MODEL = json.loads((Path(__file__).parent / "../../../models/demo/model.json").read_text())
MAX_BATCH = 32
_, STEPS, QUANTILES = MODEL["outputs"][0]["shape"]


def use_own_libraries() -> None:
    """Makes Triton's Python processes load the library of this Python, not of the system's."""
    folders = [sysconfig.get_config_var("LIBDIR"), str(triton_folder() / "../../nvidia_pytriton.libs")]
    os.environ["LD_LIBRARY_PATH"] = ":".join(folders)


def triton_folder() -> Path:
    """The folder of the server and its backends in nvidia-pytriton."""
    package = importlib.util.find_spec("pytriton")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "tritonserver"

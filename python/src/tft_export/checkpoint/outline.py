"""The outline of a checkpoint: its parameters without its weights, read without PyTorch.

A checkpoint is a pickle inside a zip file. Here every class and function that it names becomes a class of
`Outline`, which takes whatever the pickle gives it and runs none of it. So the outline of a file of any
origin can be read, in a fraction of a second.
"""

import pickle
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

_PLAIN = {
    ("collections", "OrderedDict"),
    # How pickles of old protocols write bytes.
    ("_codecs", "encode"),
    *(("builtins", name) for name in ("dict", "list", "set", "frozenset", "tuple", "slice", "complex")),
}
# They make arrays and numbers of bytes, and nothing else.
_NUMPY = {"_reconstruct", "scalar", "dtype", "ndarray", "_frombuffer"}


class Outline:
    """An object of a class that is not loaded, with the original's name and attributes."""

    def __new__(cls, *_: Any, **__: Any) -> "Outline":
        return super().__new__(cls)

    def __init__(self, *arguments: Any, **_: Any):
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.__dict__.update({key: value for key, value in part.items() if isinstance(key, str)})

    def __setitem__(self, key: Any, value: Any) -> None:
        self.__dict__.setdefault("items", {})[key] = value

    def append(self, value: Any) -> None:
        self.__dict__.setdefault("entries", []).append(value)

    def extend(self, values: Any) -> None:
        self.__dict__.setdefault("entries", []).extend(values)

    def add(self, *values: Any) -> None:
        self.extend(values)


class _AttributeDict(dict):
    """Lightning's dictionary of hyper-parameters."""

    def __setstate__(self, _: Any) -> None:
        pass


class _Reader(pickle.Unpickler):
    def __init__(self, file: BinaryIO):
        super().__init__(file)
        self._classes: dict[tuple[str, str], Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN or (module.split(".")[0] == "numpy" and name in _NUMPY):
            return super().find_class(module, name)
        if name == "AttributeDict":
            return _AttributeDict
        if (module, name) == ("copyreg", "_reconstructor"):
            return lambda cls, *_: cls()
        if (module, name) not in self._classes:
            self._classes[module, name] = type(name, (Outline,), {"__module__": module})
        return self._classes[module, name]

    def persistent_load(self, _: Any) -> Outline:
        return Outline()


def read_outline(path: str | Path) -> Any:
    """What a file of torch.save holds, weights left out; None if only PyTorch can read it."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.split("/")[-1] == "data.pkl")
            with archive.open(name) as file:
                return _Reader(file).load()
    except Exception:
        # PyTorch's own error message describes the problem better.
        return None

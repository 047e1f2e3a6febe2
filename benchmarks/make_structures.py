"""Exports published structures at several hidden sizes, random weights, for benchmarks/structures.ts.

    scripts/uv python benchmarks/make_structures.py OUT

They are those of test/fixtures/make_published.py, with four heads and more than one hidden size.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python/tests"))

import public_structures
from tft_export.cli import main as export

HIDDEN_SIZES = (16, 64, 128)
NAMES = ("electricity", "retail", "stallion")
SERIES = 8


def main() -> None:
    out = Path(sys.argv[1])
    for size in HIDDEN_SIZES:
        public_structures.SIZES.update(
            hidden_size=size, attention_head_size=4, hidden_continuous_size=max(8, size // 4)
        )
        for name in NAMES:
            published = public_structures.PUBLISHED[name]()
            checkpoint = published.save(out / f"{name}-{size}.ckpt")
            arguments = ["export", checkpoint, out / f"{name}-{size}", "--step", published.step]
            if export([str(argument) for argument in [*arguments, "--samples", SERIES]]) != 0:
                raise SystemExit(f"{name} with a hidden size of {size} was not exported")


if __name__ == "__main__":
    main()

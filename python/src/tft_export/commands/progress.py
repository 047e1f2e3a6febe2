"""Says on standard error what a command is at, with the seconds since it began."""

import sys
import time


class Progress:
    """`progress("reading …")` prints a line; nothing else does, so that a mistake stays one line."""

    def __init__(self):
        self._begin = time.monotonic()

    def __call__(self, phase: str) -> None:
        print(f"{time.monotonic() - self._begin:6.1f} s  {phase}", file=sys.stderr, flush=True)

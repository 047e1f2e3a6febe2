"""The command line. Each command lives in its own module and registers itself with `add_parser`.

Commands import torch only when they run, so that `--help` is quick.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from . import __version__
from .commands import accuracy, check, evaluate, explain, export, simulate, train, variants, verify
from .errors import ExportError

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tft-export", description="Export Temporal Fusion Transformers to bundles for tft-tensorrt."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (simulate, train, evaluate, check, export, explain, verify, variants, accuracy):
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. 0: done; 1: done, and the answer is no; 2: an error that the user can correct."""
    options = build_parser().parse_args(arguments)
    try:
        return options.run(options)
    except ExportError as error:
        return _report(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_USER_ERROR
    except Exception as error:
        # An error of a library: one line with its own message is more useful than a stack trace.
        if os.environ.get("TFT_DEBUG"):
            raise
        reason = " ".join(str(error).split())[:500]
        return _report(
            ExportError(
                "unexpected", f"{type(error).__name__}: {reason}; TFT_DEBUG=1 shows where it comes from"
            )
        )


def _report(error: ExportError) -> int:
    print(f"tft-export: {error} [{error.code}]", file=sys.stderr)
    return EXIT_USER_ERROR

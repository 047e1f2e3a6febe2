"""`check CHECKPOINT|DATASET`: the command."""

import argparse
from pathlib import Path

from ..checkpoint.check import obstacles_of_file


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "check",
        help="list everything that prevents the export of a checkpoint or a data set",
        description="Lists everything that prevents the export, each with what to change; exits with 1 if "
        "anything does. Takes a checkpoint, or a data set that dataset.save wrote, before anything is "
        "trained on it. Runs no code of the file, and loads PyTorch only for classes that need it.",
    )
    parser.add_argument("file", metavar="CHECKPOINT|DATASET", type=Path)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    obstacles = obstacles_of_file(options.file)
    if not obstacles:
        print(f"{options.file}: nothing prevents the export")
        return 0
    print(f"{options.file} cannot be exported:")
    for obstacle in obstacles:
        print(f"  - {obstacle}")
    return 1

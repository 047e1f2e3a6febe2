"""`simulate HISTORY`: the command."""

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "simulate",
        help="write the history of a simulated fleet",
        description="Writes a history file of simulated servers, no real machine's measurements. "
        "The same seed gives the same file.",
    )
    parser.add_argument("history", metavar="CSV", type=Path, help="the file to write; .gz compresses it")
    parser.add_argument("--servers", type=int, default=20, help="how many (default: 20)")
    parser.add_argument("--days", type=float, default=3.0, help="of history for each (default: 3)")
    parser.add_argument("--start", default="2026-01-30", help="first time stamp, UTC (default: 2026-01-30)")
    parser.add_argument("--seed", type=int, default=2026, help="default: 2026")
    parser.add_argument("--incidents-per-month", type=float, default=2.0, help="for each server (default: 2)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ..training.simulated_fleet import simulate
    from ..windows.history import write_history

    frame = simulate(options.servers, options.days, options.start, options.seed, options.incidents_per_month)
    write_history(frame, options.history)
    print(f"wrote {options.history}: {len(frame)} rows of {options.servers} simulated servers")
    return 0

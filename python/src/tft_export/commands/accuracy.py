"""`accuracy BUNDLE`: the command."""

import argparse
from pathlib import Path

from ..description import PRECISIONS
from .arguments import positive


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "accuracy",
        help="judge every precision of a bundle against PyTorch on recorded data",
        description="Compares the forecasts of each precision with the checkpoint's, prints a table and "
        "writes it into model.json. FP16 and INT8 are emulated on the CPU unless --outputs gives a GPU's "
        "forecasts. Exits with 1 if a precision misses its goal. Runs the bundle's checkpoint, a pickle: "
        "judge only bundles you trust.",
    )
    parser.add_argument("bundle", metavar="BUNDLE", type=Path)
    parser.add_argument(
        "--data", metavar="CSV", type=Path, required=True, help="recorded metrics to judge by"
    )
    parser.add_argument("--map", metavar="FILE", type=Path, dest="column_map", help="column map of --data")
    parser.add_argument(
        "--every", metavar="STEPS", type=positive, default=48, help="steps between forecasts (48)"
    )
    parser.add_argument("--limit", metavar="N", type=positive, help="at most N windows, evenly spread")
    parser.add_argument(
        "--outputs",
        metavar="PRECISION=FILE",
        type=_outputs,
        action="append",
        default=[],
        help="forecasts made elsewhere for the same windows: raw float32 [windows, steps, quantiles]; "
        "only precisions given so are judged",
    )
    parser.add_argument(
        "--write-windows",
        metavar="FOLDER",
        type=Path,
        help="write the windows' raw inputs for another machine, and judge nothing",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ..judging.precisions import AccuracyOptions, judge_bundle, write_windows

    asked = AccuracyOptions(
        options.bundle, options.data, options.column_map, options.every, options.limit, dict(options.outputs)
    )
    if options.write_windows is not None:
        count = write_windows(asked, options.write_windows)
        print(f"wrote {count} windows to {options.write_windows}")
        return 0
    table = judge_bundle(asked, lambda line: print(line, flush=True))
    print(table.as_text())
    return 0 if table.reached else 1


def _outputs(text: str) -> tuple[str, Path]:
    precision, _, file = text.partition("=")
    if precision not in PRECISIONS or not file:
        raise argparse.ArgumentTypeError(f"must be PRECISION=FILE, with one of {', '.join(PRECISIONS)}")
    return precision, Path(file)

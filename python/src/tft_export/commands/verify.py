"""`verify BUNDLE`: the command."""

import argparse
from pathlib import Path

from ..description import read_description
from .progress import Progress


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "verify",
        help="compare a bundle's graph with the checkpoint it was exported from",
        description=(
            "Checks model.onnx and compares ONNX Runtime's forecasts with PyTorch's on real windows, per "
            "quantile. Exits 1 if one differs by more than the tolerance (1e-4 of the target's spread). Runs "
            "the bundle's checkpoint, a pickle: verify only bundles you trust."
        ),
    )
    parser.add_argument("bundle", metavar="BUNDLE", type=Path)
    parser.add_argument("--data", metavar="CSV", type=Path, help="compare on windows of this history as well")
    parser.add_argument("--map", metavar="FILE", type=Path, dest="column_map", help="column map of --data")
    parser.add_argument(
        "--windows", metavar="N", type=int, default=64, help="windows of a history (default: 64)"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    # What is no bundle is said before PyTorch is loaded, which takes many times longer.
    read_description(options.bundle)
    progress = Progress()
    progress("loading PyTorch")
    from ..judging.against_checkpoint import verify_bundle

    report = verify_bundle(options.bundle, options.data, options.column_map, options.windows, progress)
    print(report.as_json() if options.json else report.as_text())
    return 0 if report.passed else 1

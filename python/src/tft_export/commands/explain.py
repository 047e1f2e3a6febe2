"""`explain BUNDLE`: the command."""

import argparse
from pathlib import Path

from ..description import WRITERS
from .progress import Progress


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "explain",
        help="add a graph that says what a forecast rests on",
        description="Adds model.explained.onnx to a bundle, as `export --explain` writes it: the same "
        "network with the weights of its variables and its attention as further outputs. No other file "
        "changes.",
    )
    parser.add_argument("bundle", metavar="BUNDLE", type=Path)
    parser.add_argument("--exporter", choices=tuple(WRITERS), help="force one of torch's ONNX exporters")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    progress = Progress()
    progress("loading PyTorch")
    from ..make_bundle import explain_bundle

    explanation = explain_bundle(options.bundle, options.exporter, progress).explanation
    outputs = ", ".join(f"{output.name} {list(output.shape)}" for output in explanation.outputs)
    size = explanation.onnx.bytes / 1e6
    print(f"wrote {options.bundle / explanation.onnx.path}, {size:.2f} MB: {outputs}".replace("'", ""))
    return 0

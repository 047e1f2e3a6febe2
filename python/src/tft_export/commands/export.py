"""`export CHECKPOINT BUNDLE`: the command."""

import argparse
from pathlib import Path

from ..checkpoint.calendar import Step
from ..checkpoint.check import obstacles_of_file
from ..checkpoint.obstacles import Obstacle, refuse_obstacles
from .arguments import positive, step, step_of_minutes


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "export",
        help="export a trained pytorch-forecasting TFT to a bundle",
        description=(
            "Exports a pytorch-forecasting TemporalFusionTransformer checkpoint to a bundle: model.onnx with "
            "all preprocessing inside, model.json, and sample windows with PyTorch's forecasts of them. "
            "A checkpoint is a pickle and can run code: export only checkpoints you trust."
        ),
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, help="a Lightning .ckpt file")
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, nargs="?", help="the folder to write")
    parser.add_argument(
        "--check",
        action="store_true",
        help="only list what prevents the export: exits with 1 if anything does. Takes a data set, too, that "
        "dataset.save wrote, before anything is trained on it; runs no code of the file",
    )
    parser.add_argument("--name", help="the model's name (default: the folder's)")
    parser.add_argument("--description", default="", help="one line on what the model is")
    parser.add_argument(
        "--history",
        metavar="CSV",
        type=Path,
        help="draw the sample windows from this history (.csv or .csv.gz)",
    )
    parser.add_argument(
        "--map", metavar="FILE", type=Path, dest="column_map", help="column map of the history"
    )
    parser.add_argument("--ship-history", action="store_true", help="copy the history into the bundle")
    parser.add_argument("--simulated", action="store_true", help="say that the history was simulated")
    parser.add_argument(
        "--samples", metavar="N", type=positive, default=32, help="sample windows (default: 32)"
    )
    steps = parser.add_mutually_exclusive_group()
    steps.add_argument(
        "--step",
        metavar="TIME",
        type=step,
        default=Step(5),
        help="from one row to the next: 30s, 15min, 1h, 1d, 1w, 1month (default: 5min)",
    )
    steps.add_argument(
        "--step-minutes", metavar="N", type=step_of_minutes, dest="step", help="the same, in minutes"
    )
    parser.add_argument(
        "--servers",
        metavar="CSV",
        type=Path,
        help="server_name and static categories of each server, for a model normalised by server",
    )
    parser.add_argument(
        "--training-report", metavar="JSON", type=Path, help="what to say about training in model.json"
    )
    parser.add_argument(
        "--exporter",
        choices=("dynamo", "legacy"),
        help="force one of torch's ONNX exporters (default: dynamo, then legacy if it fails)",
    )
    parser.add_argument("--torchscript", action="store_true", help="also write model.ts.pt for LibTorch")
    parser.add_argument("--force", action="store_true", help="replace the bundle if it exists")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    obstacles = obstacles_of_file(options.checkpoint)
    if options.check:
        return _report(options.checkpoint, obstacles)
    if options.bundle is None:
        options.parser.error("the following arguments are required: BUNDLE")
    # Said before PyTorch is loaded, which takes many times longer.
    refuse_obstacles(obstacles)
    from ..make_bundle import ExportOptions, export_checkpoint

    fields = ExportOptions.__dataclass_fields__
    description = export_checkpoint(ExportOptions(**{name: getattr(options, name) for name in fields}))
    samples, network = description.samples, description.network
    print(
        f"wrote {options.bundle}: {len(description.metrics)} metrics, "
        f"{description.encoder_length} + {description.horizon} steps, "
        f"{len(description.quantiles)} quantiles; "
        f"{network.nodes} nodes ({network.exporter}), {description.files.onnx.bytes / 1e6:.2f} MB; "
        f"{samples.count} sample windows ({samples.source})"
    )
    return 0


def _report(path: Path, obstacles: list[Obstacle]) -> int:
    if not obstacles:
        print(f"{path}: nothing prevents the export")
        return 0
    print(f"{path} cannot be exported:")
    for obstacle in obstacles:
        print(f"  - {obstacle}")
    return 1

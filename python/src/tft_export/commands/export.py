"""`export CHECKPOINT BUNDLE`: the command."""

import argparse
from pathlib import Path

from ..checkpoint.calendar import Step
from ..checkpoint.check import obstacles_of_file
from ..checkpoint.obstacles import refuse_obstacles
from ..description import WRITERS
from .arguments import positive, step, step_of_minutes
from .progress import Progress


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
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="the folder to write")
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
        choices=tuple(WRITERS),
        help="force one of torch's ONNX exporters (default: the first of them that succeeds)",
    )
    parser.add_argument("--torchscript", action="store_true", help="also write model.ts.pt for LibTorch")
    parser.add_argument(
        "--explain",
        action="store_true",
        help="also write model.explained.onnx, whose further outputs say what a forecast rests on",
    )
    parser.add_argument("--force", action="store_true", help="replace the bundle if it exists")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    # Said before PyTorch is loaded, which takes many times longer.
    refuse_obstacles(obstacles_of_file(options.checkpoint))
    progress = Progress()
    progress("loading PyTorch")
    from ..make_bundle import ExportOptions, export_checkpoint

    fields = ExportOptions.__dataclass_fields__
    asked = ExportOptions(**{name: getattr(options, name) for name in fields})
    description = export_checkpoint(asked, progress)
    samples, network = description.samples, description.network
    print(
        f"wrote {options.bundle}: {len(description.metrics)} metrics, "
        f"{description.encoder_length} + {description.horizon} steps, "
        f"{len(description.quantiles)} quantiles; {network.nodes} nodes, by {WRITERS[network.exporter]}, "
        f"{description.files.onnx.bytes / 1e6:.2f} MB; "
        f"{samples.count} sample windows ({samples.source})"
    )
    return 0

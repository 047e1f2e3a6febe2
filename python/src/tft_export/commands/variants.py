"""`variants BUNDLE`: the command."""

import argparse
from pathlib import Path

from ..description import VARIANT_PRECISIONS
from .arguments import positive


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "variants",
        help="derive FP16 and INT8 graphs from a bundle's graph",
        description="Writes model.fp16.onnx and model.int8.onnx into the bundle: strongly typed graphs for "
        "TensorRT 10.12 and newer. Parts that lose accuracy stay in a higher precision; model.json lists "
        "them with the reason. Exits with 1 if a goal was not reached on the calibration windows.",
    )
    parser.add_argument("bundle", metavar="BUNDLE", type=Path)
    parser.add_argument(
        "--precision",
        choices=VARIANT_PRECISIONS,
        nargs="+",
        default=list(VARIANT_PRECISIONS),
        help="default: both",
    )
    parser.add_argument(
        "--data",
        metavar="CSV",
        type=Path,
        nargs="+",
        default=[],
        help="calibrate on these histories and on the bundle's own; use others for accuracy",
    )
    parser.add_argument("--map", metavar="FILE", type=Path, dest="column_map", help="column map of --data")
    parser.add_argument(
        "--calibration", metavar="FOLDER", type=Path, help="calibrate on a set of tft calibration collect"
    )
    parser.add_argument(
        "--windows", metavar="N", type=positive, default=512, help="windows of the histories (512)"
    )
    parser.add_argument(
        "--lstm",
        choices=("fp32", "fp16"),
        default="fp32",
        help="precision of the LSTMs; fp16 needs TensorRT 10.14 (fp32)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ..variants.derive import VariantOptions, derive_variants

    fields = VariantOptions.__dataclass_fields__
    description, reached = derive_variants(
        VariantOptions(**{name: getattr(options, name) for name in fields}),
        lambda line: print(line, flush=True),
    )
    for precision in options.precision:
        variant = getattr(description.variants, precision)
        print(f"\nwrote {options.bundle / variant.file.path}, {variant.file.bytes / 1e3:.0f} kB; kept:")
        for part in variant.kept:
            print(f"  {part.part:<34} {part.precision}  {part.nodes:3} nodes  {part.why}")
    if not reached:
        print("\na goal was NOT reached on the calibration windows; check with tft-export accuracy")
    return 0 if reached else 1

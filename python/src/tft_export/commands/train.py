"""`train HISTORY`: the command."""

import argparse
from pathlib import Path

from ..training.settings import Settings


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    defaults = Settings()
    parser = subparsers.add_parser(
        "train",
        help="fit the default model on recorded and simulated machines",
        description="Fits a pytorch-forecasting Temporal Fusion Transformer. If it is interrupted, the same "
        "command resumes it.",
    )
    parser.add_argument("history", type=Path, help="recorded metrics (CSV, may be gzipped)")
    parser.add_argument("--map", type=Path, dest="column_map", help="column map of that file (maps/*.json)")
    parser.add_argument("--state", type=Path, default=Path("runs/demo"), help="folder of the run's state")
    parser.add_argument("--steps", type=int, default=defaults.steps, help="steps of the optimiser")
    parser.add_argument("--batch", type=int, default=defaults.batch, help="windows in a step")
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--weight-decay", type=float, default=defaults.weight_decay)
    parser.add_argument("--dropout", type=float, default=defaults.dropout, help="share of units dropped")
    parser.add_argument(
        "--average", type=float, default=defaults.average, help="decay of the weights' moving average"
    )
    parser.add_argument(
        "--simulated-share", type=float, default=defaults.simulated_share, help="share of simulated windows"
    )
    parser.add_argument(
        "--simulated-servers", type=int, default=defaults.simulated_servers, help="simulated servers"
    )
    parser.add_argument("--simulated-days", type=int, default=defaults.simulated_days, help="days of each")
    parser.add_argument(
        "--validation-machines",
        type=int,
        default=defaults.validation_machines,
        help="recorded machines held out to choose the best step",
    )
    parser.add_argument(
        "--seed", type=int, default=defaults.seed, help="of the split, the simulation and the weights"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default)")
    parser.add_argument(
        "--validate-every", type=int, default=500, metavar="STEPS", help="steps between validations"
    )
    parser.add_argument(
        "--seconds", type=float, help="stop after this many seconds; the same command resumes"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import json
    import time
    from dataclasses import asdict

    import torch

    from ..training.finish import finish
    from ..training.trainer import Trainer, load_data

    settings = Settings(**{name: getattr(options, name) for name in Settings.__dataclass_fields__})
    device = torch.device(
        ("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else options.device
    )
    torch.set_float32_matmul_precision("high")
    started = time.monotonic()
    data = load_data(options.history, options.column_map, settings)
    trainer = Trainer(data, settings, device, options.state)
    print(
        f"{data.training['server_name'].nunique()} training machines, "
        f"{data.validation['server_name'].nunique()} validation machines, "
        f"{len(trainer.windows.starts)} windows, on {device}, ready after {time.monotonic() - started:.0f} s",
        flush=True,
    )
    if trainer.restore("last.pt"):
        print(f"resuming at step {trainer.step}", flush=True)
    trainer.fit(options.validate_every, options.seconds)
    if trainer.step < settings.steps:
        return 0
    report = {
        "history": options.history.name,
        "columnMap": options.column_map and options.column_map.name,
        "settings": asdict(settings),
        **finish(options.state, data, settings),
    }
    (options.state / "training.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
    print(f"wrote {options.state / 'checkpoint.ckpt'}")
    return 0

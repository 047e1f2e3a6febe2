"""`tft-export train`: fits the default model, in as many sittings as it takes."""

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "train",
        help="fit the default model on recorded and simulated machines",
        description="Fits a pytorch-forecasting Temporal Fusion Transformer. Interrupted, the same command "
        "goes on where it stood.",
    )
    parser.add_argument("history", type=Path, help="recorded metrics (CSV, may be gzipped)")
    parser.add_argument("--map", type=Path, dest="column_map", help="column map of that file (maps/*.json)")
    parser.add_argument("--state", type=Path, default=Path("runs/demo"), help="folder of the run's state")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=64, help="windows in a step")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=1e-2)
    parser.add_argument("--dropout", type=float, default=0.15)
    parser.add_argument("--average", type=float, default=0.998)
    parser.add_argument("--simulated-share", type=float, default=0.25)
    parser.add_argument("--simulated-servers", type=int, default=56)
    parser.add_argument("--simulated-days", type=int, default=70)
    parser.add_argument("--validation-machines", type=int, default=12)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default)")
    parser.add_argument("--validate-every", type=int, default=500, metavar="STEPS")
    parser.add_argument("--seconds", type=float, help="stop after this long; go on by the same command")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import json
    import time
    from dataclasses import asdict

    import torch

    from .finish import finish
    from .trainer import Settings, Trainer, load_data

    settings = Settings(
        steps=options.steps,
        batch=options.batch,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        dropout=options.dropout,
        average=options.average,
        simulated_share=options.simulated_share,
        simulated_servers=options.simulated_servers,
        simulated_days=options.simulated_days,
        validation_machines=options.validation_machines,
        seed=options.seed,
    )
    device = torch.device(
        ("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else options.device
    )
    torch.set_float32_matmul_precision("high")
    begun = time.monotonic()
    data = load_data(options.history, options.column_map, settings)
    trainer = Trainer(data, settings, device, options.state)
    print(
        f"{data.training['server_name'].nunique()} training machines, "
        f"{data.validation['server_name'].nunique()} validation machines, "
        f"{len(trainer.windows.starts)} windows, on {device}, ready after {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    if trainer.restore("last.pt"):
        print(f"going on from step {trainer.step}", flush=True)
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

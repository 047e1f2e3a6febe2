"""`train HISTORY …`: the command."""

import argparse
from dataclasses import replace
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
    parser.add_argument(
        "history", type=Path, nargs="+", help="recorded metrics (CSV, may be gzipped), of one column map"
    )
    parser.add_argument("--map", type=Path, dest="column_map", help="column map of the files (maps/*.json)")
    parser.add_argument("--state", type=Path, default=Path("runs/demo"), help="folder of the run's state")
    parser.add_argument(
        "--test-servers", type=Path, metavar="FILE", help="names, one a line, of servers that only judge"
    )
    parser.add_argument("--minutes", type=float, default=defaults.minutes, help="how long the run may take")
    parser.add_argument("--batch", type=int, default=defaults.batch, help="windows in a step, per process")
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--weight-decay", type=float, default=defaults.weight_decay)
    parser.add_argument("--dropout", type=float, default=defaults.dropout, help="share of units dropped")
    parser.add_argument("--hidden", type=int, default=defaults.hidden, help="the network's hidden size")
    parser.add_argument("--heads", type=int, default=defaults.heads, help="attention heads")
    parser.add_argument("--continuous", type=int, default=defaults.continuous, help="size of a real variable")
    parser.add_argument(
        "--average", type=float, default=defaults.average, help="decay of the weights' moving average"
    )
    parser.add_argument(
        "--crossing-penalty", type=float, default=defaults.crossing_penalty, help="on quantiles out of order"
    )
    parser.add_argument(
        "--scale-floor", type=float, default=defaults.scale_floor, help="least scale of a window"
    )
    parser.add_argument(
        "--lags",
        type=int,
        nargs="*",
        default=defaults.lags,
        metavar="STEPS",
        help="give the decoder the target this many steps before each step of the horizon; by default "
        f"{' '.join(map(str, defaults.lags))} (288: yesterday), without a number none",
    )
    parser.add_argument(
        "--calendar",
        choices=("shuffled", "kept"),
        default=defaults.calendar,
        help="shuffled: hour and weekday teach nothing; kept: moved by whole weeks only",
    )
    parser.add_argument(
        "--dropped-metrics", type=float, default=defaults.dropped_metrics, help="chance of a missing metric"
    )
    parser.add_argument(
        "--simulated-share", type=float, default=defaults.simulated_share, help="share of simulated windows"
    )
    parser.add_argument(
        "--simulated-servers", type=int, default=defaults.simulated_servers, help="simulated servers"
    )
    parser.add_argument("--simulated-days", type=int, default=defaults.simulated_days, help="days of each")
    parser.add_argument(
        "--validation-share",
        type=float,
        default=defaults.validation_share,
        help="share of the servers whose later span chooses the weights and calibrates the quantiles",
    )
    parser.add_argument(
        "--test-share", type=float, default=defaults.test_share, help="share of the servers that only judge"
    )
    parser.add_argument(
        "--later-share", type=float, default=defaults.later_share, help="share of the time kept from training"
    )
    parser.add_argument(
        "--processes", type=int, default=defaults.processes, help="processes that train together on the CPU"
    )
    parser.add_argument("--seed", type=int, default=defaults.seed, help="of the split and the simulation")
    parser.add_argument(
        "--network-seed", type=int, default=defaults.network_seed, help="of the weights and the draws"
    )
    parser.add_argument(
        "--peer",
        action="store_true",
        help="train LightGBM on the same windows, for the table",
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default)")
    parser.add_argument(
        "--validate-every",
        type=float,
        metavar="MINUTES",
        help="between validations; by default 3, or a twentieth of a shorter run",
    )
    parser.add_argument(
        "--seconds", type=float, help="stop after this many seconds; the same command resumes"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ..training.run import run_training

    settings = Settings(**{name: getattr(options, name) for name in Settings.__dataclass_fields__})
    settings = replace(settings, lags=tuple(settings.lags))
    return run_training(
        options.history,
        options.column_map,
        settings,
        options.state,
        options.test_servers,
        options.device,
        options.validate_every,
        options.seconds,
        options.peer,
    )

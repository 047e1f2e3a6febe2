"""`evaluate BUNDLE`: the command."""

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="compare a bundle's forecasts with naive ones and strong peers on recorded history",
        description="Prints pinball loss with intervals over machines, by horizon and regime, and coverage "
        "of the bundle, of four naive forecasts, of LightGBM and of a pretrained network on the same "
        "windows. Use machines that the model was not trained on. docs/judging.md defines the figures.",
    )
    parser.add_argument("bundle", metavar="BUNDLE", type=Path)
    parser.add_argument("history", metavar="CSV", type=Path, nargs="*", help="recorded metrics")
    parser.add_argument("--map", metavar="FILE", type=Path, dest="column_map", help="column map of them")
    parser.add_argument(
        "--sets", metavar="FILE", type=Path, help="judge these sets instead (models/demo-sets.json is one)"
    )
    parser.add_argument("--data", metavar="FOLDER", type=Path, help="where the histories of --sets lie")
    parser.add_argument(
        "--servers", metavar="FILE", type=Path, help="only these servers of the histories, named one a line"
    )
    parser.add_argument("--since", metavar="DATE", help="only what was measured from then on (UTC)")
    parser.add_argument("--until", metavar="DATE", help="only what was measured before")
    parser.add_argument("--every", metavar="STEPS", type=int, default=48, help="steps between forecasts (48)")
    parser.add_argument(
        "--also", metavar="NAME=BUNDLE", action="append", default=[], help="another bundle in the same table"
    )
    parser.add_argument(
        "--peer", metavar="FOLDER", type=Path, help="the LightGBM peer that `train --peer` left there"
    )
    parser.add_argument(
        "--zero-shot",
        choices=("fracast",),
        help="a pretrained network in the same table, as it is: from the model's window, and from a week",
    )
    parser.add_argument(
        "--hours", metavar="N", type=int, nargs="*", default=[], help="again with the calendar N hours later"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, dest="json_file", help="also write the table")
    parser.add_argument("--plot", metavar="FILE", type=Path, help="also draw the table (SVG)")
    parser.add_argument("--record", action="store_true", help="write the table into the bundle's model.json")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import json

    from ..description import read_description, write_description
    from ..errors import ExportError
    from ..judging.evaluate import evaluate, rounded
    from ..judging.judged_set import JudgedSet, read_sets
    from ..judging.plot import plot
    from ..judging.table import as_text

    if (options.sets is None) == (not options.history):
        raise ExportError("option_conflict", "give the histories to judge by, or --sets with --data")
    if options.sets is not None:
        sets = read_sets(options.sets, options.data or options.sets.parent)
    else:
        servers = frozenset(options.servers.read_text().split()) if options.servers else frozenset()
        name = " and ".join(path.name for path in options.history)
        sets = [JudgedSet(name, tuple(options.history), servers, options.since, options.until, options.every)]
    others = dict(entry.split("=", 1) for entry in options.also if "=" in entry)
    table = rounded(
        evaluate(
            options.bundle,
            sets,
            options.column_map,
            {name: Path(folder) for name, folder in others.items()},
            options.peer,
            options.hours,
            options.zero_shot,
        )
    )
    print(as_text(table))
    if options.json_file:
        options.json_file.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    if options.plot:
        options.plot.write_text(plot(table), encoding="utf-8")
    if options.record:
        description = read_description(options.bundle)
        description.training["evaluation"] = table
        write_description(options.bundle, description)
    return 0

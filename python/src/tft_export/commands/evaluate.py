"""`evaluate BUNDLE HISTORY`: the command."""

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="compare a bundle's forecasts with naive ones on recorded history",
        description="Prints pinball loss and coverage of the bundle and of four naive forecasts with "
        "quantiles on the same windows. Use machines that the model was not trained on.",
    )
    parser.add_argument("bundle", metavar="BUNDLE", type=Path)
    parser.add_argument("history", metavar="CSV", type=Path, help="recorded metrics, may be gzipped")
    parser.add_argument("--map", metavar="FILE", type=Path, dest="column_map", help="column map of that file")
    parser.add_argument("--every", metavar="STEPS", type=int, default=48, help="steps between forecasts (48)")
    parser.add_argument(
        "--weeks",
        metavar="N",
        type=int,
        nargs="*",
        default=[],
        help="evaluate again with the calendar moved by N weeks",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, dest="json_file", help="also write the table")
    parser.add_argument("--record", action="store_true", help="write the table into the bundle's model.json")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import json

    from ..description import read_description, write_description
    from ..judging.against_naive import evaluate_bundle

    evaluation = evaluate_bundle(
        options.bundle, options.history, options.column_map, options.every, (0, *options.weeks)
    )
    print(evaluation.as_text())
    if options.json_file:
        options.json_file.write_text(json.dumps(evaluation.as_json(), indent=2) + "\n", encoding="utf-8")
    if options.record:
        description = read_description(options.bundle)
        description.training["evaluation"] = {"history": options.history.name, **evaluation.as_json()}
        write_description(options.bundle, description)
    return 0

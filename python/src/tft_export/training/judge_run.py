"""The output of `train`: a bundle of the model, and the table of its accuracy."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..description import read_description, write_description
from ..judging.evaluate import evaluate, rounded
from ..judging.judged_set import JudgedSet
from ..judging.table import as_text
from ..make_bundle import ExportOptions, export_checkpoint
from ..windows.metrics import STEP_MINUTES
from .split import Split


def judge_run(
    state: Path, histories: Sequence[Path], column_map: Path | None, split: Split, peer: Path | None
) -> None:
    """Writes STATE/bundle and prints its table.

    It is judged on the test servers if there are any, else on those that chose its weights, which flatters
    it a little; in both cases by measurements later than what it was trained on.
    """
    bundle = state / "bundle"
    export_checkpoint(
        ExportOptions(
            checkpoint=state / "checkpoint.ckpt",
            bundle=bundle,
            name="model",
            history=histories[0],
            column_map=column_map,
            training_report=state / "training.json",
            force=True,
        )
    )
    servers = split.test or split.validation or split.training
    since = pd.Timestamp(max(split.cuts[name] for name in servers) * STEP_MINUTES * 60, unit="s", tz="UTC")
    role = "test" if split.test else "validation" if split.validation else "the same"
    name = f"{role} servers from {since:%Y-%m-%d %H:%M} on"
    judged = JudgedSet(name, tuple(histories), frozenset(servers), since.isoformat(), None, 12)
    table = rounded(evaluate(bundle, [judged], column_map, {}, peer))
    description = read_description(bundle)
    description.training["evaluation"] = table
    write_description(bundle, description)
    print(f"\n{as_text(table)}\n\nwrote {bundle}", flush=True)

"""The program of scripts/check-structures: models of many structures, a line each.

Exits with 1 if one is neither exported and equal to PyTorch, nor refused by name, nor beyond
pytorch-forecasting itself or the digits of its own forecasts.
"""

import argparse
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from lightning.pytorch import Trainer

from exported_structure import EXPORTED, FAILED, Outcome, outcome_of, run
from forecast_from_node import forecast_from_node
from public_structures import PUBLISHED, Published
from random_structures import random_structure
from reported_structures import STRUCTURES, reported
from tiny_models import quiet


def trained(make: Callable[[], Published]) -> Callable[[], Published]:
    """The same model after an epoch of training."""

    def train() -> Published:
        published = make()
        model = published.model.requires_grad_(True).train()
        with quiet():
            loader = published.dataset.to_dataloader(train=True, batch_size=64, num_workers=0)
            trainer = Trainer(
                max_epochs=1,
                accelerator="cpu",
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                gradient_clip_val=0.1,
            )
            trainer.fit(model, loader)
        model.eval().requires_grad_(False)
        return published

    return train


def with_variants(folder: Path, outcome: Outcome) -> Outcome:
    """The same with what FP16 and INT8 come to, emulated on the CPU; FAILED if one misses its goal."""
    bundle, history = folder / "bundle", folder / "history.csv"
    for command in (("variants", bundle, "--data", history), ("accuracy", bundle, "--data", history)):
        code, said, error = run(*command)
        if code != 0:
            return Outcome(FAILED, f"{command[0]} exits with {code}: {(error or said).strip()[-600:]}")
    return Outcome(outcome.kind, f"{outcome.detail}; variants reach their goals\n{said}", outcome.worst)


def main() -> int:
    parser = argparse.ArgumentParser(prog="check-structures", description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("published", "reported", "random"))
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these of the published or reported")
    parser.add_argument("--count", type=int, default=100, help="of random ones (100)")
    parser.add_argument("--seed", type=int, default=0, help="of the first random one (0)")
    parser.add_argument("--exporter", help="as of tft-export export; by default they are tried in turn")
    parser.add_argument("--variants", action="store_true", help="derive and judge FP16 and INT8 as well")
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="keep what is made there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    makers: dict[str, Callable[[], Published]] = {
        "published": {name: trained(make) for name, make in PUBLISHED.items()},
        "reported": {name: reported(name) for name in STRUCTURES},
        "random": {
            str(seed): lambda seed=seed: random_structure(seed)
            for seed in range(options.seed, options.seed + options.count)
        },
    }[options.kind]
    further = () if options.exporter is None else ("--exporter", options.exporter)
    kinds: Counter[str] = Counter()
    for name in options.names or makers:
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) if options.keep is None else options.keep / name
            folder.mkdir(parents=True, exist_ok=True)
            made: list[Published] = []
            make = makers[name]
            outcome = outcome_of(lambda make=make, made=made: made.append(make()) or made[0], folder, further)
            if options.kind == "published" and outcome.kind == EXPORTED:
                outcome = forecast_from_node(made[0], folder, outcome)
            if options.variants and outcome.kind == EXPORTED:
                outcome = with_variants(folder, outcome)
        kinds[outcome.kind] += 1
        print(_line(name, outcome, time.monotonic() - begin), flush=True)
    print(", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))
    return 1 if kinds[FAILED] else 0


def _line(name: str, outcome: Outcome, seconds: float) -> str:
    worst = f"{outcome.worst:.1g} of the spread; " if outcome.worst else ""
    return f"{name:28} {seconds:5.1f} s  {outcome.kind}: {worst}{outcome.detail}"


if __name__ == "__main__":
    torch.set_num_threads(2)
    sys.exit(main())

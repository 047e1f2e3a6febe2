"""What becomes of a model of some structure: exported and verified, refused by name, or neither."""

import contextlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from public_structures import Published
from tft_export.cli import main
from tiny_models import quiet

EXPORTED, REFUSED, NOT_MADE, FAILED = "exported", "refused", "not made", "FAILED"
# PyTorch's own float32 differs from its float64 by more than the limit.
BEYOND = "beyond float32"


@dataclass(frozen=True)
class Outcome:
    """`worst` is the largest difference from PyTorch, as a share of the spread."""

    kind: str
    detail: str
    worst: float = 0.0


def outcome_of(make: Callable[[], Published], folder: Path, options: tuple[str, ...] = ()) -> Outcome:
    """Checks, exports and verifies a model, as the commands do. `options` are further ones of export."""
    try:
        published = make()
        forecast_once(published)
        checkpoint = published.save(folder / "model.ckpt")
    except Exception as error:
        return Outcome(NOT_MADE, f"by pytorch-forecasting: {type(error).__name__}: {_one_line(error)}")
    code, said, _ = run("check", checkpoint)
    if code == 1:
        reasons = re.findall(r"^  - (.*)$", said, flags=re.MULTILINE)
        exported = run("export", checkpoint, folder / "bundle", "--step", published.step)
        same = all(reason in exported[2] for reason in reasons)
        if reasons and exported[0] == 2 and "[unsupported_option]" in exported[2] and same:
            return Outcome(REFUSED, "; ".join(reasons))
        return Outcome(FAILED, f"check and export say different things: {said} {exported}")
    arguments = ("--step", published.step, "--samples", 6, "--force", *options)
    code, said, error = run("export", checkpoint, folder / "bundle", *arguments)
    if code != 0:
        return Outcome(FAILED, f"export exits with {code}: {_one_line(error)}")
    history = published.write_history(folder / "history.csv")
    code, report, error = run("verify", folder / "bundle", "--json", "--data", history, "--windows", 6)
    if code > 1:
        return Outcome(FAILED, f"verify exits with {code}: {_one_line(error)}")
    comparisons = json.loads(report)["comparisons"]
    worst = max(one["maximum"] / one["spread"] for one in comparisons)
    failed = [one for one in comparisons if not one["passed"] and one["reference"] == "the checkpoint"]
    if failed and all(one["is_beyond_float32"] for one in failed):
        rounding = max(one["rounding"] / one["spread"] for one in failed)
        return Outcome(BEYOND, f"PyTorch itself rounds by {rounding:.2g} of the spread", worst)
    if code == 1 or len(comparisons) < 3:
        return Outcome(
            FAILED, f"verify finds {worst:.2g} of the spread in {len(comparisons)} comparisons", worst
        )
    return Outcome(EXPORTED, said.split("quantiles; ")[1].split(" MB")[0], worst)


def forecast_once(published: Published) -> None:
    """Raises what pytorch-forecasting raises where it makes a model and cannot run it."""
    with quiet():
        loader = published.dataset.to_dataloader(train=False, batch_size=2, num_workers=0)
        inputs, _ = next(iter(loader))
        published.model(inputs)


def run(*arguments: object) -> tuple[int, str, str]:
    """The exit code, what was printed, and what was printed on standard error."""
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), error.getvalue()


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[-300:]

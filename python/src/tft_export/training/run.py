"""A training run from the files to the checkpoint, in one process or several."""

import json
import pickle
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import distributed, multiprocessing

from .finish import finish
from .fleet import Data, load_data, split_report
from .judge_run import judge_run
from .peer_windows import fit_peer
from .settings import Settings
from .trainer import Trainer


def run_training(
    histories: Sequence[Path],
    column_map: Path | None,
    settings: Settings,
    state: Path,
    test_servers: Path | None = None,
    device: str = "auto",
    validate_every: float | None = None,
    seconds: float | None = None,
    peer: bool = False,
) -> int:
    """Trains, and writes STATE/checkpoint.ckpt, training.json and split.json, and STATE/bundle with its
    table.

    With `peer`, STATE/peer as well, and it is in the table. `validate_every` is in minutes; by default 3, or
    a twentieth of a shorter run. Returns the exit status.
    """
    started = time.monotonic()
    every = min(3.0, settings.minutes / 20) if validate_every is None else validate_every
    on = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    torch.set_float32_matmul_precision("high")
    if on.type == "cpu":
        # A step is a thousand small operations: threads wait for one another, long where others run too.
        torch.set_num_threads(1)
    named = frozenset(test_servers.read_text().split()) if test_servers else frozenset()
    data = load_data(histories, column_map, settings, named)
    state.mkdir(parents=True, exist_ok=True)
    (state / "split.json").write_text(json.dumps(split_report(data), indent=1) + "\n")
    print(
        f"{len(data.split.training)} training, {len(data.split.validation)} validation and "
        f"{len(data.split.test)} test servers, {len(data.simulated)} simulated; reads "
        f"{', '.join(data.read)}; "
        f"on {on}, ready after {time.monotonic() - started:.0f} s",
        flush=True,
    )
    if settings.processes > 1 and on.type == "cpu":
        _several(data, settings, state, every, seconds)
    else:
        _one(data, settings, on, state, every, seconds)
    last = torch.load(state / "last.pt", map_location="cpu", weights_only=True)
    if last["done"] < 1.0:
        return 0
    report = {
        "histories": [path.name for path in histories],
        "columnMap": column_map and column_map.name,
        "settings": asdict(settings),
        "metricsRead": list(data.read),
        "steps": last["step"],
        "windows": last["step"] * settings.batch * settings.processes,
        **finish(state, data, settings),
        "split": split_report(data),
    }
    (state / "training.json").write_text(json.dumps(report, indent=2) + "\n")
    if peer:
        fit_peer(data, settings, state / "peer")
    judge_run(state, histories, column_map, data.split, state / "peer" if peer else None)
    return 0


def _one(
    data: Data, settings: Settings, device: torch.device, state: Path, every: float, seconds: float | None
) -> None:
    trainer = Trainer(data, settings, device, state)
    if trainer.restore("last.pt") and trainer.rank == 0:
        print(f"resuming at step {trainer.step}", flush=True)
    trainer.fit(every, seconds)


def _several(data: Data, settings: Settings, state: Path, every: float, seconds: float | None) -> None:
    """One thread each: a recurrence of small products gains nothing from a second thread."""
    handed = state / "data.pickle"
    handed.write_bytes(pickle.dumps(data, protocol=5))
    meeting = state / "meeting"
    meeting.unlink(missing_ok=True)
    try:
        multiprocessing.spawn(
            _join_in,
            (handed, meeting.resolve(), settings, state, every, seconds),
            nprocs=settings.processes,
        )
    finally:
        handed.unlink(missing_ok=True)
        meeting.unlink(missing_ok=True)


def _join_in(
    rank: int,
    handed: Path,
    meeting: Path,
    settings: Settings,
    state: Path,
    every: float,
    seconds: float | None,
) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=settings.processes
    )
    torch.manual_seed(rank)
    _one(pickle.loads(handed.read_bytes()), settings, torch.device("cpu"), state, every, seconds)
    distributed.destroy_process_group()

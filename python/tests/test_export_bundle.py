"""`export` from end to end: the folder it writes, and what it says when it cannot."""

import gzip
import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import LightningModule
from pytorch_forecasting.data import GroupNormalizer

from tft_export.cli import main
from tiny_models import KNOWN, Recipe, build

METRICS = ("cpu_user_pct", "mem_used_pct", "net_in_mb_s")


@pytest.fixture(scope="module")
def checkpoint(tiny, tmp_path_factory):
    return tiny().save(tmp_path_factory.mktemp("checkpoint") / "model.ckpt")


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Three servers over a month's turn, one of them too short, rows in no order, one off the grid."""
    rng = np.random.default_rng(3)
    parts = []
    for server, steps in (("alpha", 300), ("beta", 120), ("gamma", 20)):
        times = pd.date_range("2026-03-31 18:00", periods=steps, freq="5min", tz="UTC")
        metrics = {name: rng.uniform(0, 90, steps).round(3) for name in METRICS}
        parts.append(pd.DataFrame({"timestamp": times, "server_name": server, **metrics}))
        parts[-1]["profile"] = "web"
        parts[-1]["status"] = rng.choice(["healthy", "idle", "never-seen"], steps)
    frame = pd.concat(parts).sample(frac=1, random_state=0)
    frame["timestamp"] = frame["timestamp"].map(lambda time: time.isoformat())
    path = tmp_path_factory.mktemp("history") / "history.csv"
    frame.to_csv(path, index=False)
    return path


def export(*arguments, exporter="legacy"):
    """The legacy exporter is faster; both write the same contract (test_export_onnx)."""
    return main(["export", *map(str, arguments), "--exporter", exporter])


def read(bundle):
    return json.loads((bundle / "model.json").read_text(encoding="utf-8"))


def samples_of(bundle):
    description = read(bundle)
    shapes = {entry["name"]: entry for entry in (*description["inputs"],)}
    shapes["expected"] = description["outputs"][0]
    return {
        name: np.fromfile(
            bundle / description["samples"]["files"][name]["path"], dtype=entry["type"]
        ).reshape(description["samples"]["count"], *entry["shape"][1:])
        for name, entry in shapes.items()
    }


def test_model_json_describes_the_model(checkpoint, tmp_path):
    bundle = tmp_path / "demo"
    assert export(checkpoint, bundle, "--description", "a test", "--samples", 9, exporter="dynamo") == 0
    model = read(bundle)
    assert model["schemaVersion"] == 1
    assert (model["name"], model["description"]) == ("demo", "a test")
    assert (model["stepMinutes"], model["encoderLength"], model["horizon"]) == (5, 24, 12)
    assert model["target"] == "cpu_user_pct"
    assert model["quantiles"] == [0.1, 0.5, 0.9]
    assert model["metrics"] == [
        {"name": "cpu_user_pct", "unit": "%", "minimum": 0, "maximum": 100},
        {"name": "mem_used_pct", "unit": "%", "minimum": 0, "maximum": 100},
        {"name": "net_in_mb_s", "unit": "MB/s", "minimum": 0},
    ]
    assert model["categories"] == [
        {"name": "profile", "codes": {"unknown": 0, "batch": 1, "database": 2, "web": 3}, "role": "static"},
        {
            "name": "status",
            "codes": {"unknown": 0, "busy": 1, "down": 2, "healthy": 3, "idle": 4},
            "role": "varying",
        },
    ]
    assert model["known"] == list(KNOWN)
    assert model["inputs"] == [
        {"name": "encoder_cont", "type": "float32", "shape": ["batch", 24, 3]},
        {"name": "encoder_cat", "type": "int32", "shape": ["batch", 24, 2]},
        {"name": "decoder_cont", "type": "float32", "shape": ["batch", 12, 4]},
        {"name": "decoder_cat", "type": "int32", "shape": ["batch", 12, 2]},
    ]
    assert model["outputs"] == [{"name": "predictions", "type": "float32", "shape": ["batch", 12, 3]}]
    assert model["samples"]["count"] == 9
    assert model["samples"]["tolerance"] == 1e-4
    assert model["samples"]["spread"] > 0
    assert 0 in model["samples"]["monthTurn"]
    assert model["versions"]["opset"] == 17
    network = model["network"]
    assert (network["hiddenSize"], network["attentionHeads"], network["lstmLayers"]) == (8, 2, 1)
    for entry in (*model["files"].values(), *model["samples"]["files"].values()):
        content = (bundle / entry["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["bytes"], entry["sha256"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo"]


def test_the_shipped_checkpoint_exports_to_the_same_bundle(checkpoint, tmp_path):
    assert export(checkpoint, tmp_path / "one", "--name", "m") == 0
    assert export(tmp_path / "one" / "checkpoint.ckpt", tmp_path / "two", "--name", "m") == 0
    for path in ("model.onnx", "samples/expected.bin", "samples/encoder_cont.bin"):
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()
    content = torch.load(tmp_path / "one" / "checkpoint.ckpt", weights_only=False)
    assert not content["optimizer_states"]


def test_sample_windows_are_drawn_from_a_history(checkpoint, history, tmp_path, capsys):
    bundle = tmp_path / "demo"
    assert export(checkpoint, bundle, "--history", history, "--samples", 16, "--simulated") == 0
    assert "simulated history history.csv" in capsys.readouterr().out
    model, arrays = read(bundle), samples_of(bundle)
    assert "history" not in model["files"]
    assert set(model["samples"]["servers"]) == {"alpha", "beta"}
    assert 0 < len(model["samples"]["monthTurn"]) < 16
    frame = pd.read_csv(history).set_index(["server_name", "timestamp"]).sort_index()
    for window in range(16):
        start = pd.Timestamp(model["samples"]["forecastStarts"][window])
        times = [(start + pd.Timedelta(minutes=5 * step)).isoformat() for step in range(-24, 12)]
        rows = frame.loc[[(model["samples"]["servers"][window], time) for time in times]]
        past = rows.iloc[:24]
        np.testing.assert_array_equal(arrays["encoder_cont"][window], past[list(METRICS)].astype(np.float32))
        codes = model["categories"][1]["codes"]
        assert arrays["encoder_cat"][window, :, 1].tolist() == [codes.get(s, 0) for s in past["status"]]
        assert (arrays["encoder_cat"][window, :, 0] == model["categories"][0]["codes"]["web"]).all()
        assert arrays["decoder_cont"][window, 0].tolist() == [
            start.hour,
            start.dayofweek,
            start.month,
            start.dayofweek >= 5,
        ]
    assert main(["verify", str(bundle)]) == 0


def test_the_history_ships_with_the_bundle_when_asked(checkpoint, history, tmp_path):
    bundle = tmp_path / "demo"
    assert export(checkpoint, bundle, "--history", history, "--ship-history", "--simulated") == 0
    assert gzip.decompress((bundle / "history.csv.gz").read_bytes()) == history.read_bytes()
    assert read(bundle)["files"]["history"]["simulated"] is True


def test_a_history_with_other_column_names_is_read_through_a_map(checkpoint, history, tmp_path):
    renamed = pd.read_csv(history).rename(columns={"cpu_user_pct": "cpu", "net_in_mb_s": "net_kb"})
    renamed["net_kb"] *= 1000
    renamed.to_csv(tmp_path / "renamed.csv.gz", index=False)
    (tmp_path / "map.json").write_text(
        json.dumps(
            {
                "schemaVersion": 1,
                "metrics": {
                    "cpu_user_pct": {"column": "cpu"},
                    "net_in_mb_s": {"column": "net_kb", "scale": 0.001},
                },
            }
        )
    )
    assert export(checkpoint, tmp_path / "plain", "--history", history) == 0
    arguments = ("--history", tmp_path / "renamed.csv.gz", "--map", tmp_path / "map.json")
    assert export(checkpoint, tmp_path / "mapped", *arguments) == 0
    plain, mapped = samples_of(tmp_path / "plain"), samples_of(tmp_path / "mapped")
    np.testing.assert_allclose(plain["encoder_cont"], mapped["encoder_cont"], rtol=1e-6)


def test_a_bundle_is_replaced_only_when_forced_and_a_foreign_folder_never(checkpoint, tmp_path, capsys):
    bundle, foreign = tmp_path / "demo", tmp_path / "photos"
    foreign.mkdir()
    (foreign / "cat.jpg").write_bytes(b"cat")
    assert export(checkpoint, bundle) == 0
    (bundle / "left-over").touch()
    assert export(checkpoint, bundle) == 2
    assert "[bundle_exists]" in capsys.readouterr().err
    assert export(checkpoint, bundle, "--force") == 0
    assert not (bundle / "left-over").exists()
    assert export(checkpoint, foreign, "--force") == 2
    assert "[bundle_not_replaced]" in capsys.readouterr().err
    assert [path.name for path in foreign.iterdir()] == ["cat.jpg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo", "photos"]


def test_an_export_that_fails_leaves_the_old_bundle_and_nothing_else(checkpoint, history, tmp_path, capsys):
    assert export(checkpoint, tmp_path / "demo") == 0
    before = (tmp_path / "demo" / "model.json").read_bytes()
    short = tmp_path / "short.csv"
    pd.read_csv(history).query("server_name == 'gamma'").to_csv(short, index=False)
    assert export(checkpoint, tmp_path / "demo", "--force", "--history", short) == 2
    assert "[history_short]" in capsys.readouterr().err
    assert (tmp_path / "demo" / "model.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo", "short.csv"]


def test_a_history_without_one_of_the_metrics_is_refused(checkpoint, history, tmp_path, capsys):
    incomplete = tmp_path / "incomplete.csv"
    pd.read_csv(history).drop(columns="mem_used_pct").to_csv(incomplete, index=False)
    assert export(checkpoint, tmp_path / "demo", "--history", incomplete) == 2
    assert "mem_used_pct" in capsys.readouterr().err


def test_a_model_normalised_by_server_looks_up_profiles_that_it_is_given(tmp_path, tiny, capsys):
    model = tiny(normalizer=GroupNormalizer(groups=["server_id"], transformation="softplus"))
    checkpoint = model.save(tmp_path / "by-server.ckpt")
    bundle, servers = tmp_path / "demo", tmp_path / "servers.csv"
    assert export(checkpoint, bundle) == 0
    assert [category["name"] for category in read(bundle)["categories"]] == ["server_id", "profile", "status"]
    profiles = model.frame.groupby("server_id")["profile"].first()
    profiles.iloc[:-1].rename_axis("server_name").to_csv(servers)
    assert export(checkpoint, bundle, "--force", "--servers", servers) == 2
    error = capsys.readouterr().err
    assert "[servers_incomplete]" in error
    assert "server-3" in error
    profiles.rename_axis("server_name").to_csv(servers)
    assert export(checkpoint, bundle, "--force", "--servers", servers) == 0
    description = read(bundle)
    assert [category["name"] for category in description["categories"]] == ["server_id", "status"]
    assert description["categories"][0]["codes"] == {"unknown": 0, **{f"server-{n}": n + 1 for n in range(4)}}
    assert main(["verify", str(bundle)]) == 0


def other_model_checkpoint(path):
    class Other(LightningModule):
        def __init__(self, width: int):
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(width, 1)

    model = Other(3)
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams)}, path)


def without_dataset(path, checkpoint):
    content = torch.load(checkpoint, weights_only=False)
    torch.save({**content, "dataset_parameters": None}, path)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path, _: None, "checkpoint_not_found"),
        (lambda path, _: path.mkdir(), "checkpoint_not_found"),
        (lambda path, _: path.write_text("not a model"), "not_a_checkpoint"),
        (lambda path, _: path.write_bytes(b""), "not_a_checkpoint"),
        (lambda path, good: path.write_bytes(good.read_bytes()[:5000]), "not_a_checkpoint"),
        (lambda path, _: torch.save([1, 2], path), "not_a_checkpoint"),
        (lambda path, _: torch.save({"weight": torch.ones(2)}, path), "not_a_checkpoint"),
        (lambda path, _: other_model_checkpoint(path), "not_a_tft"),
        (without_dataset, "no_dataset_parameters"),
    ],
    ids=[
        "absent",
        "folder",
        "text",
        "empty",
        "cut-short",
        "a-list",
        "weights-only",
        "other-model",
        "no-dataset",
    ],
)
def test_a_file_that_is_no_tft_checkpoint_is_told_apart(checkpoint, tmp_path, capsys, make, code):
    path = tmp_path / "model.ckpt"
    make(path, checkpoint)
    assert export(path, tmp_path / "demo") == 2
    error = capsys.readouterr().err
    assert f"[{code}]" in error
    assert "Traceback" not in error
    assert not (tmp_path / "demo").exists()


def test_a_checkpoint_trained_on_a_gpu_loads_where_there_is_none(tiny, tmp_path):
    path = tiny().save(tmp_path / "model.ckpt")
    content = torch.load(path, weights_only=False)
    hyper_parameters = content["hyper_parameters"]
    # What torchmetrics pickle of the machine that they were on; nothing can be moved from meta.
    for metric in [hyper_parameters["loss"], *hyper_parameters["logging_metrics"]]:
        metric._device = torch.device("cuda", 0) if not torch.cuda.is_available() else torch.device("meta")
    torch.save(content, path)
    assert export(path, tmp_path / "demo") == 0


def test_servers_that_a_normalizer_without_groups_has_never_seen(tmp_path, capsys):
    """pytorch-forecasting's default for short encoders is a GroupNormalizer that groups by nothing."""
    model = build(Recipe(normalizer=GroupNormalizer(), statics=(), add_nan=False))
    path = model.save(tmp_path / "model.ckpt")
    assert export(path, tmp_path / "demo") == 0, capsys.readouterr().err


def test_what_a_library_underneath_throws_is_one_line(checkpoint, tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise KeyError("something of\nsomebody else's")

    monkeypatch.setattr("tft_export.make_bundle.expected_forecasts", fail)
    assert export(checkpoint, tmp_path / "demo") == 2
    # The lines before say what the command was at.
    error = capsys.readouterr().err.splitlines(keepends=True)[-1]
    assert error.startswith("tft-export: ")
    assert "KeyError" in error
    assert error.endswith("[unexpected]\n")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_files_may_begin_with_a_byte_order_mark(checkpoint, history, tmp_path, mark):
    column_map = tmp_path / "map.json"
    column_map.write_bytes(mark + b'{"schemaVersion": 1, "metrics": {}}')
    marked = tmp_path / "history.csv"
    marked.write_bytes(mark + history.read_bytes())
    assert export(checkpoint, tmp_path / "demo", "--history", marked, "--map", column_map) == 0

"""Everything that prevents an export is listed at once, before anything is written, and without PyTorch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pytorch_forecasting.data import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    NaNLabelEncoder,
    TorchNormalizer,
)
from pytorch_forecasting.metrics import MAE, MultiLoss, PoissonLoss, QuantileLoss
from sklearn.preprocessing import MinMaxScaler, PowerTransformer

from tft_export.checkpoint.obstacles import find_obstacles
from tft_export.checkpoint.read_structure import read_structure
from tft_export.checkpoint.supported import REFUSED, SUPPORTED, as_table
from tft_export.cli import main
from tft_export.errors import ExportError
from tiny_models import Recipe, build


@pytest.fixture(scope="module")
def hopeless(tmp_path_factory):
    """A model of which five things cannot be exported."""
    scalers = {
        "mem_used_pct": PowerTransformer(),
        "net_in_mb_s": MinMaxScaler(clip=True),
        "hour": GroupNormalizer(groups=["server_id"], transformation={"forward": abs}),
    }
    model = build(Recipe(scalers=scalers, model_options={"loss": QuantileLoss([0.5, 0.1, 0.9])}))
    model.dataset.lags = {"time_idx": [1]}
    return model


IN_THE_WAY = [
    "quantiles=[0.5, 0.1, 0.9]",
    "scalers['hour']'s transformation=functions of your own",
    "scalers['mem_used_pct'] is a PowerTransformer",
    "scalers['net_in_mb_s'] is a MinMaxScaler that clips",
    "lags of 'time_idx'",
]


def test_everything_in_the_way_is_listed_at_once(hopeless):
    with pytest.raises(ExportError) as caught:
        read_structure(hopeless.checkpoint)
    assert caught.value.code == "unsupported_option"
    assert len(caught.value.reasons) == len(IN_THE_WAY)
    for option, reason in zip(IN_THE_WAY, caught.value.reasons, strict=True):
        assert reason.startswith(f"{option}: ")
        assert reason in str(caught.value)


def scaled(name, scaler, **of_model):
    return {"scalers": {name: scaler}}, of_model


OF_ZEROS = EncoderNormalizer(transformation="log").fit(np.array([0.0, 1.0, 2.0]))
# For each rule what differs from a model that can be exported: of the data set's parameters, of its own.
REFUSED_BY = {
    "categorical_target": (
        {"target_normalizer": NaNLabelEncoder()},
        {"output_transformer": NaNLabelEncoder()},
    ),
    "other_loss": ({}, {"loss": PoissonLoss()}),
    "quantile_order": ({}, {"loss": QuantileLoss([0.9, 0.5])}),
    "listed_twice": ({}, {"x_reals": ["cpu", "load", "cores", "load"]}),
    "group_count": (
        {
            "group_ids": ["site", "host"],
            "target_normalizer": GroupNormalizer(groups=["host"]),
            "categorical_encoders": {
                f"__group_id__{name}": NaNLabelEncoder().fit(np.arange(200)) for name in ("site", "host")
            },
        },
        {"output_transformer": GroupNormalizer(groups=["host"])},
    ),
    "server_id": (
        {
            "group_ids": ["host"],
            "target_normalizer": GroupNormalizer(groups=["host"]),
            "categorical_encoders": {"__group_id__host": NaNLabelEncoder().fit(np.array(["a", "b"]))},
        },
        {
            "x_categoricals": ["status", "server_id"],
            "output_transformer": GroupNormalizer(groups=["host"]),
        },
    ),
    "lag_of_category": ({"lags": {"status": [1]}}, {}),
    "lag_of_time_index": ({"lags": {"time_idx": [1]}}, {}),
    "output_transformer": ({}, {"output_transformer": TorchNormalizer()}),
    "other_scaler": scaled("load", PowerTransformer()),
    "clipping_scaler": scaled("load", MinMaxScaler(clip=True)),
    "window_of_static": scaled("cores", EncoderNormalizer()),
    "window_of_time_index": scaled("time_idx", EncoderNormalizer()),
    "groups_of_scaler": scaled("load", GroupNormalizer(groups=["colour"])),
    "transformation": scaled("load", TorchNormalizer(transformation={"forward": abs})),
    "transformed_values": ({"target_normalizer": OF_ZEROS}, {"output_transformer": OF_ZEROS}),
}
ALLOWED = (
    {
        "target": "cpu",
        "target_normalizer": EncoderNormalizer(),
        "group_ids": ["host"],
        "categorical_encoders": {},
        "time_idx": "time_idx",
    },
    {
        "x_reals": ["cpu", "load", "cores", "time_idx"],
        "x_categoricals": ["status"],
        "static_reals": ["cores"],
        "loss": QuantileLoss(),
        "output_transformer": EncoderNormalizer(),
    },
)


def test_every_rule_of_the_table_refuses_a_model_and_says_what_to_change():
    assert find_obstacles(ALLOWED[1], ALLOWED[0]) == []
    assert set(REFUSED_BY) == set(REFUSED)
    for rule, (parameters, hyper) in REFUSED_BY.items():
        (obstacle,) = find_obstacles({**ALLOWED[1], **hyper}, {**ALLOWED[0], **parameters})
        assert obstacle.rule == rule
        assert obstacle.remedy


def test_the_documentation_has_the_table_that_the_check_goes_by():
    text = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    assert as_table() in text, f"docs/export.md must have this table:\n{as_table()}"
    assert {refusal.row for refusal in REFUSED.values()} <= {*SUPPORTED}


def test_a_loss_for_all_targets_is_judged_for_each():
    targets = {"target": ["a", "b"], "target_normalizer": MultiNormalizer([TorchNormalizer()] * 2)}
    hyper = {"output_transformer": targets["target_normalizer"], "loss": MultiLoss([PoissonLoss(), MAE()])}
    (obstacle,) = find_obstacles({**ALLOWED[1], **hyper}, {**ALLOWED[0], **targets})
    assert obstacle.option == "loss=PoissonLoss of 'a'"


def test_a_check_says_all_of_it_and_writes_nothing(hopeless, tiny, tmp_path, capsys):
    hopeless.model.hparams["dataset_parameters"] = None
    path = tmp_path / "hopeless.ckpt"
    hopeless.model.dataset_parameters = hopeless.dataset.get_parameters()
    assert main(["check", str(hopeless.save(path))]) == 1
    said = capsys.readouterr().out
    assert [line[4:].split(": ")[0] for line in said.splitlines()[1:]] == IN_THE_WAY
    assert main(["export", str(path), str(tmp_path / "bundle")]) == 2
    error = capsys.readouterr().err
    assert all(option in error for option in IN_THE_WAY)
    assert error.endswith("[unsupported_option]\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["hopeless.ckpt"]
    assert main(["check", str(tiny().save(tmp_path / "fine.ckpt"))]) == 0
    assert "nothing prevents the export" in capsys.readouterr().out


def test_a_data_set_is_checked_before_anything_is_trained_on_it(hopeless, tiny, tmp_path, capsys):
    hopeless.dataset._lags = {"time_idx": [1]}
    hopeless.dataset.save(tmp_path / "hopeless.pt")
    assert main(["check", str(tmp_path / "hopeless.pt")]) == 1
    said = capsys.readouterr().out
    # The loss comes with the model.
    assert [line[4:].split(": ")[0] for line in said.splitlines()[1:]] == IN_THE_WAY[1:]
    tiny().dataset.save(tmp_path / "fine.pt")
    assert main(["check", str(tmp_path / "fine.pt")]) == 0


def test_a_check_loads_no_pytorch_and_runs_nothing_of_the_file(tiny, tmp_path):
    path = tiny().save(tmp_path / "model.ckpt")
    program = (
        "import sys; from tft_export.cli import main; code = main(sys.argv[1:]); "
        "assert not {'torch', 'pandas', 'pytorch_forecasting'} & {*sys.modules}; sys.exit(code)"
    )
    subprocess.run([sys.executable, "-c", program, "check", str(path)], check=True)


def test_what_is_no_checkpoint_is_told_apart_by_a_check_as_well(tmp_path, capsys):
    assert main(["check", str(tmp_path / "absent.ckpt")]) == 2
    assert "[checkpoint_not_found]" in capsys.readouterr().err

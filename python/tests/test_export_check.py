"""Everything that prevents an export is listed at once, before anything is written, and without PyTorch."""

import subprocess
import sys

import pytest
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer
from pytorch_forecasting.metrics import PoissonLoss, QuantileLoss
from sklearn.preprocessing import MinMaxScaler, PowerTransformer

from tft_export.checkpoint.read_structure import read_structure
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


@pytest.mark.parametrize(
    ("recipe", "parameters", "says"),
    [
        ({"model_options": {"loss": PoissonLoss(), "output_size": 1}}, {}, "loss=PoissonLoss"),
        ({"normalizer": EncoderNormalizer(transformation={"forward": abs})}, {}, "functions of your own"),
        ({}, {"lags": {"status": [1]}}, "lags of the category 'status'"),
    ],
)
def test_what_cannot_be_exported_is_named(recipe, parameters, says):
    model = build(Recipe(**{**recipe, "model_options": {}}))
    if "model_options" in recipe:
        model.model.loss = recipe["model_options"]["loss"]
    checkpoint = model.checkpoint
    checkpoint.dataset_parameters.update(parameters)
    with pytest.raises(ExportError, match=says):
        read_structure(checkpoint)


def test_a_check_says_all_of_it_and_writes_nothing(hopeless, tiny, tmp_path, capsys):
    hopeless.model.hparams["dataset_parameters"] = None
    path = tmp_path / "hopeless.ckpt"
    hopeless.model.dataset_parameters = hopeless.dataset.get_parameters()
    assert main(["export", "--check", str(hopeless.save(path))]) == 1
    said = capsys.readouterr().out
    assert [line[4:].split(": ")[0] for line in said.splitlines()[1:]] == IN_THE_WAY
    assert main(["export", str(path), str(tmp_path / "bundle")]) == 2
    error = capsys.readouterr().err
    assert all(option in error for option in IN_THE_WAY)
    assert error.endswith("[unsupported_option]\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["hopeless.ckpt"]
    assert main(["export", "--check", str(tiny().save(tmp_path / "fine.ckpt"))]) == 0
    assert "nothing prevents the export" in capsys.readouterr().out


def test_a_data_set_is_checked_before_anything_is_trained_on_it(hopeless, tiny, tmp_path, capsys):
    hopeless.dataset._lags = {"time_idx": [1]}
    hopeless.dataset.save(tmp_path / "hopeless.pt")
    assert main(["export", "--check", str(tmp_path / "hopeless.pt")]) == 1
    said = capsys.readouterr().out
    # The loss comes with the model.
    assert [line[4:].split(": ")[0] for line in said.splitlines()[1:]] == IN_THE_WAY[1:]
    tiny().dataset.save(tmp_path / "fine.pt")
    assert main(["export", "--check", str(tmp_path / "fine.pt")]) == 0


def test_a_check_loads_no_pytorch_and_runs_nothing_of_the_file(tiny, tmp_path):
    path = tiny().save(tmp_path / "model.ckpt")
    program = (
        "import sys; from tft_export.cli import main; code = main(sys.argv[1:]); "
        "assert not {'torch', 'pandas', 'pytorch_forecasting'} & {*sys.modules}; sys.exit(code)"
    )
    subprocess.run([sys.executable, "-c", program, "export", "--check", str(path)], check=True)


def test_what_is_no_checkpoint_is_told_apart_by_a_check_as_well(tmp_path, capsys):
    assert main(["export", "--check", str(tmp_path / "absent.ckpt")]) == 2
    assert "[checkpoint_not_found]" in capsys.readouterr().err

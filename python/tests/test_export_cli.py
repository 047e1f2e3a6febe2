"""The command line's manners: quick help, exit codes, no stack traces."""

import subprocess
import sys

import pytest

from tft_export.cli import main


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["export", "--help"],
        ["check", "--help"],
        ["verify", "--help"],
        ["variants", "--help"],
        ["accuracy", "--help"],
    ],
)
def test_help_does_not_wait_for_torch(arguments):
    program = (
        "import sys\nfrom tft_export.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as exit:\n    assert exit.code == 0\n"
        "print('slow' if {'torch', 'pandas', 'onnx'} & set(sys.modules) else 'quick')"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    assert run.stdout.rstrip().endswith("quick")
    assert "usage: tft-export" in run.stdout


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["export"], ["export", "a", "b", "--samples", "0"], ["verify", "a", "--colour"]],
)
def test_a_wrong_command_line_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_users_mistake_is_one_line_with_a_code(tmp_path, capsys):
    assert main(["verify", str(tmp_path / "nothing")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("tft-export: ")
    assert error.endswith("[bundle_not_found]\n")

"""The exporter as others install it: a wheel of every module, with its command."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_wheel_has_every_module_and_its_command_runs(tmp_path):
    uv = subprocess.run([ROOT / "scripts/find-uv"], check=True, capture_output=True, text=True).stdout.strip()
    # Another folder than the clone's, where a build may not leave anything.
    built = [uv, "build", "--quiet", "--wheel", "--out-dir", tmp_path / "dist", ROOT / "python"]
    subprocess.run(built, check=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    modules = {str(path.relative_to(ROOT / "python/src")) for path in (ROOT / "python/src").rglob("*.py")}
    with zipfile.ZipFile(wheel) as archive:
        assert modules <= set(archive.namelist())

    # Without its dependencies: they are those of the environment that runs this test.
    installed = tmp_path / "installed"
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable]
    subprocess.run([*install, "--target", installed, wheel], check=True)
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, installed / "bin/tft-export", "--help"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert "export" in shown.stdout
    where = [sys.executable, "-c", "import tft_export; print(tft_export.__file__)"]
    found = subprocess.run(where, check=True, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert found.stdout.strip().startswith(str(installed))

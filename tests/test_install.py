"""The scripts that make the environment."""

import subprocess
from pathlib import Path

from tests.servers import PROJECT


def test_an_environment_behind_a_link_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    (tmp_path / ".venv").symlink_to("elsewhere")

    done = subprocess.run(
        ["sh", PROJECT / ".ci" / "install-venv", "python3"], cwd=tmp_path, capture_output=True, text=True
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(".venv is a symbolic link")
    assert (tmp_path / ".venv").is_symlink()
    assert (tmp_path / "elsewhere" / "kept").exists()

"""The scripts that make the environment."""

import shutil
import subprocess
from pathlib import Path

from tests.support.servers import PROJECT


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


def install_load_tools(folder: Path, *there: str) -> "subprocess.CompletedProcess[str]":
    """Run it where nothing but these can be found."""
    for name in ("id", *there):
        (folder / name).symlink_to(shutil.which(name) or "/bin/true")
    command = ["/bin/sh", str(PROJECT / ".ci" / "install-tools"), "wrk", "h2load=nghttp2-client"]
    return subprocess.run(command, env={"PATH": str(folder)}, capture_output=True, text=True)


def test_the_tools_of_the_load_are_asked_for_where_they_cannot_be_installed(tmp_path: Path) -> None:
    done = install_load_tools(tmp_path, "wrk")
    assert done.returncode == 1
    assert done.stderr.startswith("Not found: nghttp2-client. On Debian")


def test_the_tools_of_the_load_that_are_there_are_not_installed(tmp_path: Path) -> None:
    done = install_load_tools(tmp_path, "wrk", "h2load")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

"""kubectl for the checks: the machine's own, or the one that a package carries."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.servers import PROJECT

SCRIPT = PROJECT / ".ci" / "install-kubectl"
NEEDED = ("sh", "mktemp", "rm", "mv", "chmod", "grep", "ln", "cat")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A PATH with what the script uses, and no kubectl."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """The folder of an environment, with its Python and pip."""
    folder = tmp_path / "bin"
    folder.mkdir()
    here = Path(sys.executable).parent
    (folder / "python").symlink_to(here / "python")
    (folder / "pip").symlink_to(here / "pip")
    return folder


def add_kubectl(folder: Path, kustomize: str) -> Path:
    program = folder / "kubectl"
    program.write_text(f'#!/bin/sh\necho "Client Version: v1"\necho "Kustomize Version: {kustomize}"\n')
    program.chmod(0o755)
    return program


def install(programs: Path, bin_folder: Path, *options: Path, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": str(programs), **env}
    command = ["sh", str(SCRIPT), str(bin_folder), *map(str, options)]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120)


def package(folder: Path, program: bytes) -> tuple[Path, Path]:
    """A wheel that carries a kubectl as the locked one does, and the list that locks it."""
    layer, inner = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(layer, "w") as archive:
        archive.writestr("kubectl/kubectl", program)
    with tarfile.open(fileobj=inner, mode="w:gz") as archive_of_node:
        entry = tarfile.TarInfo("package/lib/layer.zip")
        entry.size = layer.tell()
        layer.seek(0)
        archive_of_node.addfile(entry, layer)
    wheel = folder / "carrier-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("carrier/_jsii/carrier@1.jsii.tgz", inner.getvalue())
        archive.writestr("carrier-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: carrier\nVersion: 1\n")
        archive.writestr("carrier-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("carrier-1.dist-info/RECORD", "")
    locked = folder / "locked.txt"
    locked.write_text(f"carrier==1 --hash=sha256:{sha256(wheel.read_bytes()).hexdigest()}\n")
    return wheel, locked


def test_the_machines_own_is_taken_where_its_kustomize_is_new_enough(
    programs: Path, bin_folder: Path
) -> None:
    own = add_kubectl(programs, "v5.5.0")
    assert install(programs, bin_folder).returncode == 0
    assert (bin_folder / "kubectl").resolve() == own


@pytest.mark.parametrize("own", [None, "v2.0.3"])
def test_else_it_comes_out_of_the_locked_package(
    programs: Path, bin_folder: Path, tmp_path: Path, own: str | None
) -> None:
    if own:
        add_kubectl(programs, own)
    wheel, locked = package(tmp_path, b"#!/bin/sh\necho from the package\n")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent)}
    done = install(programs, bin_folder, locked, **offline)
    assert done.returncode == 0, done.stderr
    said = subprocess.run([bin_folder / "kubectl"], capture_output=True, text=True, check=True)
    assert said.stdout == "from the package\n"


def test_a_package_that_is_not_the_locked_one_is_refused(
    programs: Path, bin_folder: Path, tmp_path: Path
) -> None:
    wheel, locked = package(tmp_path, b"changed")
    locked.write_text(f"carrier==1 --hash=sha256:{'0' * 64}\n")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent)}
    done = install(programs, bin_folder, locked, **offline)
    assert done.returncode != 0
    assert not (bin_folder / "kubectl").exists()

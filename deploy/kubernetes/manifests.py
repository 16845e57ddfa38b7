"""The manifests as the cluster gets them: rendered by ``kubectl kustomize``, read as objects.

Everything that judges them, the check of ``make lint`` and the tests, starts from here, for what counts is
what kustomize makes of the files.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import yaml

HERE = Path(__file__).parent
TARGETS = ("overlays/staging", "overlays/production", "kserve")
"""What can be applied, as folders beside this file."""

Manifest: TypeAlias = dict[str, Any]
"""An object of the cluster; what is in it depends on its kind, and the schemas say so."""


def find_kubectl() -> str:
    """The kubectl beside this Python, as ``make lint`` puts it there, or else the machine's."""
    beside = Path(sys.executable).parent / "kubectl"
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    if found is None:
        raise SystemExit("There is no kubectl: make .venv/bin/kubectl")
    return found


def render(folder: Path) -> list[Manifest]:
    """What kustomize makes of a folder; ends with kustomize's own words where it makes nothing."""
    command = [find_kubectl(), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{folder}: {done.stderr.strip()}")
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]

"""The manifests as the cluster gets them: rendered by ``kubectl kustomize``, read as objects.

Both the check of ``make lint`` and the tests use the rendered manifests, because only those are applied.
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
RETRAINING = "retraining"
"""Applied beside them, where retraining runs in the cluster."""

Manifest: TypeAlias = dict[str, Any]
"""An object of the cluster; its fields depend on its kind."""


def find_kubectl() -> str:
    """The kubectl that ``make lint`` installs beside this Python, or else the machine's."""
    beside = Path(sys.executable).parent / "kubectl"
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    if found is None:
        raise SystemExit("kubectl is not installed. Install it with `make .venv/bin/kubectl`.")
    return found


def render(folder: Path) -> list[Manifest]:
    """The rendered manifests of a folder; exits with kustomize's error message if it fails."""
    command = [find_kubectl(), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{folder}: {done.stderr.strip()}")
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]

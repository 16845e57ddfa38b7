"""What importing the service does, and what it does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import PROJECT


def test_importing_the_service_brings_in_neither_pandas_nor_mlflow(iris: str, stores: dict[str, str]) -> None:
    assert iris
    program = (
        "import sys, service.app; print({'pandas', 'mlflow', 'sklearn', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, env=stores, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("setting", "protocol"),
    [
        ("on", "service.http.connection.fast_connection:FastConnection"),
        ("off", "service.http.connection.uvicorn_protocol:GuardedProtocol"),
    ],
)
def test_the_service_has_uvicorn_keep_its_connections_as_the_setting_says(
    iris: str, stores: dict[str, str], setting: str, protocol: str
) -> None:
    assert iris
    program = "import service.app, uvicorn; print(uvicorn.config.HTTP_PROTOCOLS['auto'])"
    env = {**stores, "TABENTO_FAST_CONNECTION": setting}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == protocol


def test_importing_the_service_makes_no_file(iris: str, stores: dict[str, str], tmp_path: Path) -> None:
    assert iris
    settings = {**stores, "TABENTO_AUDIT_DB": str(tmp_path / "audit.db")}
    subprocess.run([sys.executable, "-c", "import service.app"], cwd=tmp_path, env=settings, check=True)
    assert list(tmp_path.iterdir()) == []

"""The rules that hold for the whole project."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]

sources = [
    path.relative_to(PROJECT) for part in ("service", "training") for path in (PROJECT / part).rglob("*.py")
]


def imports(path: Path) -> set[str]:
    text = (PROJECT / path).read_text()
    return set(re.findall(r"^\s*(?:from|import) ([a-zA-Z_]+)", text, re.MULTILINE))


@pytest.mark.parametrize("path", [path for path in sources if path.parts[0] == "service"], ids=str)
def test_the_service_imports_nothing_of_training(path: Path) -> None:
    assert not imports(path) & {
        "training",
        "mlflow",
        "pandas",
        "pandera",
        "matplotlib",
        "pyarrow",
        "sqlite3",
        "onnx",
    }


@pytest.mark.parametrize("path", sources, ids=str)
def test_a_file_is_one_concept_of_at_most_300_lines(path: Path) -> None:
    assert len((PROJECT / path).read_text().splitlines()) <= 300


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
        ("on", "service.http.connection:FastConnection"),
        ("off", "service.http.uvicorn_protocol:GuardedProtocol"),
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


def test_the_locked_lists_agree_and_name_no_index() -> None:
    lists = {
        name: (PROJECT / "requirements" / f"{name}.txt").read_text()
        for name in ("serving", "training", "dev")
    }
    pins = {name: set(re.findall(r"^[\w.-]+==[^\s;]+", text, re.MULTILINE)) for name, text in lists.items()}
    assert pins["serving"] < pins["training"] < pins["dev"]
    for text in lists.values():
        assert "://" not in text
        assert text.count("--hash=sha256:") > text.count("==")


def test_serving_installs_nothing_of_training() -> None:
    serving = (PROJECT / "requirements" / "serving.txt").read_text()
    for package in ("pandas", "mlflow", "pandera", "matplotlib", "pyarrow", "locust", "pytest", "onnx"):
        assert not re.search(rf"^{package}==", serving, re.MULTILINE)

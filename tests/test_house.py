"""The rules that hold for the whole project."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import Distribution, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


EXTRAS: dict[str, tuple[str, ...]] = {
    "service": (),
    "training": ("training",),
    "load_tests": ("load",),
    "deploy": ("image", "dev"),
    "requirements": ("dev",),
    "docs": ("docs",),
    "tests": ("training", "load", "docs", "image", "dev", "clients"),
}
"""The extras, beside the dependencies proper, that each part is installed with."""


def imported_modules(path: Path) -> Iterator[str]:
    """Every module that a file imports, at any depth, from outside the project and the standard library."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in EXTRAS:
                yield name


def owners(module: str) -> set[str]:
    """The distributions that a module comes from; its own name where none that is installed has it.

    Several distributions may share a namespace, as ``google`` and ``opentelemetry``: the file decides.
    """
    parts = module.split(".")
    shared: set[str] = {canonicalize_name(name) for name in installed().get(parts[0], [parts[0]])}
    if len(shared) == 1:
        return shared
    for length in range(len(parts), 0, -1):
        stem = "/".join(parts[:length])
        found = {name for name in shared if {f"{stem}.py", f"{stem}/__init__.py"} & files_of(name)}
        if found:
            return found
    return set()


@cache
def installed() -> dict[str, Sequence[str]]:
    return dict(packages_distributions())


@cache
def files_of(name: str) -> frozenset[str]:
    found: Distribution = distribution(name)
    return frozenset(file.as_posix() for file in found.files or [])


@cache
def declared(*extras: str) -> frozenset[str]:
    text = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    lists = {**text["project"]["optional-dependencies"], **text["dependency-groups"]}
    entries = [*text["project"]["dependencies"], *(entry for extra in extras for entry in lists[extra])]
    return frozenset(canonicalize_name(Requirement(entry).name) for entry in entries)


@pytest.mark.parametrize("part", EXTRAS)
def test_what_a_part_imports_is_declared_in_its_extra(part: str) -> None:
    allowed = declared(*EXTRAS[part])
    modules = {
        (module, str(path.relative_to(PROJECT)))
        for path in (PROJECT / part).rglob("*.py")
        for module in imported_modules(path)
    }
    undeclared = sorted(f"{module} in {path}" for module, path in modules if not owners(module) & allowed)
    assert undeclared == []


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

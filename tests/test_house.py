"""The rules that hold for the whole project."""

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import Distribution, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1]

FLOORS = (
    ("app",),
    ("worker",),
    ("collector",),
    ("replay",),
    ("http", "grpc"),
    ("native", "oip"),
    ("releases",),
    ("inference",),
    ("monitoring",),
    ("audit",),
    ("access", "telemetry"),
    ("wire",),
    ("model",),
    ("routes", "settings", "errors", "system"),
)
"""The rooms of ``service/``, from the top: a room imports from the floors below it alone."""
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
BOTTOM = len(FLOORS) - 1

PARTS = ("service", "training", "lifecycle", "load_tests", "deploy", "requirements")
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
NOT_OF_THE_SERVICE = {
    "training", "lifecycle", "mlflow", "pandas", "pandera", "matplotlib", "pyarrow", "sqlite3", "onnx",
}  # fmt: skip


def files_of_part(part: str) -> list[Path]:
    return sorted((PROJECT / part).rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported_names(path: Path) -> Iterator[str]:
    """Every module, or name of one, that a file imports, at any depth."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def relative(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def room_of(path: Path) -> str:
    """The room of a file of the service; a command is an application like the service itself."""
    if path.stem == "__main__":
        return "app"
    return path.relative_to(PROJECT / "service").parts[0].removesuffix(".py")


def points_down(room: str, other: str) -> bool:
    return other == room or FLOOR[other] > FLOOR[room] or FLOOR[other] == FLOOR[room] == BOTTOM


def test_training_imports_nothing_of_what_comes_after_it() -> None:
    wrong = [
        f"{relative(path)} imports {name}"
        for path in files_of_part("training")
        for name in imported_names(path)
        if name.startswith("lifecycle")
    ]
    assert wrong == []


def test_every_room_of_the_service_has_its_floor() -> None:
    rooms = {room_of(path) for path in files_of_part("service")} - {"__init__"}
    assert rooms == set(FLOOR)


def test_imports_within_the_service_point_down() -> None:
    wrong = [
        f"{relative(path)} imports {name}"
        for path in files_of_part("service")
        if (room := room_of(path)) in FLOOR
        for name in imported_names(path)
        if name.startswith("service.") and not points_down(room, name.split(".")[1])
    ]
    assert wrong == []


def test_nothing_but_the_application_knows_the_worker() -> None:
    knowing = {
        relative(path)
        for path in files_of_part("service")
        if room_of(path) != "worker"
        for name in imported_names(path)
        if name.startswith("service.worker")
    }
    assert knowing == {"service/app.py"}


def test_the_service_imports_nothing_of_training() -> None:
    wrong = [
        f"{relative(path)} imports {name}"
        for path in files_of_part("service")
        for name in imported_names(path)
        if name.partition(".")[0] in NOT_OF_THE_SERVICE
    ]
    assert wrong == []


@pytest.mark.parametrize("part", [*PARTS, "tests"])
def test_a_file_is_one_concept_of_at_most_300_lines(part: str) -> None:
    lengths = {relative(path): len(path.read_text().splitlines()) for path in files_of_part(part)}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


@pytest.mark.parametrize("part", [*PARTS, "tests"])
def test_a_function_has_at_most_40_lines(part: str) -> None:
    lengths = {
        f"{relative(path)}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in files_of_part(part)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


def test_no_two_modules_share_a_name() -> None:
    """Tests apart, which have their rooms' names; what they share has names of its own."""
    modules = [path for part in PARTS for path in files_of_part(part)]
    modules += files_of_part("tests/support")
    names = Counter(path.stem for path in modules if not path.stem.startswith("__"))
    assert [name for name, number in names.items() if number > 1] == []


def test_no_test_imports_from_another() -> None:
    wrong = [
        f"{relative(path)} imports {name}"
        for path in files_of_part("tests")
        for name in imported_names(path)
        if name.startswith("tests.") and re.search(r"\.(test_\w+|conftest)(\.|$)", name)
    ]
    assert wrong == []


EXTRAS: dict[str, tuple[str, ...]] = {
    "service": (),
    "training": ("training",),
    "lifecycle": ("training",),
    "load_tests": ("load",),
    "deploy": ("image", "dev"),
    "requirements": ("dev",),
    "docs": ("docs",),
    "tests": ("training", "load", "docs", "image", "dev", "clients"),
}
"""The extras, beside the dependencies proper, that each part is installed with."""


def imported_modules(path: Path) -> Iterator[str]:
    """Every module that a file imports from outside the project and the standard library."""
    for name in imported_names(path):
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
    modules = {(module, relative(path)) for path in files_of_part(part) for module in imported_modules(path)}
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

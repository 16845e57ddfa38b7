"""The built reference has all that it is generated from."""

import html
import re
import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from prometheus_client import CollectorRegistry

from docs.extension.command_lines import PROGRAMS
from docs.extension.generated import PARTS
from docs.extension.help_texts import subcommands
from service.audit.file.database import open_for_writing
from service.errors import RequestError, StartError
from service.routes import GRPC_ROUTES, ROUTES
from service.settings import PREFIX, Settings
from service.telemetry.gauges import Gauges
from service.telemetry.metrics import Metrics
from service.telemetry.monitoring_gauges import MonitoringGauges
from service.telemetry.release_gauges import ReleaseGauges
from tests.support.servers import PROJECT

DOCS = PROJECT / "docs"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of each page of the reference, as Sphinx builds it."""
    folder = tmp_path_factory.mktemp("reference")
    options = ["-c", str(DOCS), "-b", "html", "-D", "html_theme=basic", "-D", "root_doc=routes", "-Q"]
    command = [sys.executable, "-m", "sphinx", *options, str(DOCS / "reference"), str(folder)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {path.stem: plain(path.read_text()) for path in folder.glob("*.html")}


def plain(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).replace(" ", " ").split())


def shows(page: str, text: str) -> bool:
    """Whether the page has the text; Sphinx puts each word of it into an element of its own."""
    return re.search(rf"(?<![\w/]){re.escape(text)}(?![\w/])", page) is not None


def test_it_has_every_route(built: dict[str, str]) -> None:
    for route in ROUTES:
        assert shows(built["routes"], f"{route.method} {route.path}"), route
    for route in GRPC_ROUTES:
        assert shows(built["routes"], route.path), route


def test_it_has_every_error(built: dict[str, str]) -> None:
    for kind in {error.kind for error in RequestError.__subclasses__()}:
        assert shows(built["errors"], f"urn:tabento:{kind}"), kind
    of_service = [error for error in StartError.__subclasses__() if error.__module__.startswith("service.")]
    for error in of_service:
        assert shows(built["errors"], error.__name__), error


def test_it_has_every_setting(built: dict[str, str]) -> None:
    for name in Settings.model_fields:
        assert shows(built["settings"], f"{PREFIX}{name.upper()}"), name


def test_it_has_every_metric(built: dict[str, str]) -> None:
    registry = CollectorRegistry()
    Metrics(registry), Gauges(registry), ReleaseGauges(registry)
    registry.register(MonitoringGauges())
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert shows(built["metrics"], name), name


def test_it_has_every_column_of_the_log(built: dict[str, str], tmp_path: Path) -> None:
    connection: apsw.Connection = open_for_writing(tmp_path / "audit.db")
    found = connection.execute(
        "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c"
        " WHERE t.type IN ('table', 'view') AND t.name <> 'sqlite_sequence'"
    ).fetchall()
    connection.close()
    assert len(found) > 50
    for names in found:
        for name in names:
            assert shows(built["audit-schema"], str(name)), names


def test_it_has_every_command_with_its_options(built: dict[str, str]) -> None:
    page = built["command-line"]
    for program in PROGRAMS:
        assert shows(page, f"python -m {program}")
    for option in ("--target", "--drop", "service.audit export", "--since", "--trust-clock", "--scope"):
        assert option in page


def test_every_part_is_on_a_page() -> None:
    pages = "".join(path.read_text() for path in (DOCS / "reference").glob("*.md"))
    assert sorted(re.findall(r"^```\{generated\} (\S+)$", pages, re.MULTILINE)) == sorted(PARTS)


def test_the_subcommands_of_a_program_are_found_whichever_library_lists_them() -> None:
    by_argparse = "usage: a\n\npositional arguments:\n  {path,status}\n    path   where\n"
    by_click = "Usage: a\n\nCommands:\n  path    Where.\n          More.\n  status  How."
    assert subcommands(by_argparse) == subcommands(by_click) == ["path", "status"]
    assert subcommands("Usage: a\n\nOptions:\n  --help  Show it.\n") == []

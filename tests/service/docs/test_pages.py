"""The blocks of the documents do what they show: commands are run, programs too, JSON and YAML are valid.

A page's blocks are run in their order, in a folder of its own. Where it shows requests to localhost:3000, a
page that says what is served gets that. One that looks into the log gets a service with a log of its own, any
other the Iris service that the tests share.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from tests.support.documents.blocks import PAGES, PARSED, RUN, SHOWN, Block, Served, read_page
from tests.support.documents.running import name_of, run_blocks
from tests.support.documents.scripts import run_script
from tests.support.documents.session import Session
from tests.support.servers import Serve, Server

STEPS = {path: read_page(path) for path in PAGES}
BLOCKS = [(path, step) for path, steps in STEPS.items() for step in steps if isinstance(step, Block)]
RUN_PAGES = [path for path in PAGES if any(path == of and block.is_run for of, block in BLOCKS)]
IRIS = "iris_classifier"

every_block = pytest.mark.parametrize(
    "block", [block for _, block in BLOCKS], ids=[f"{name_of(path)}:{block.line}" for path, block in BLOCKS]
)


def runs(steps: list[Block | Served], *words: str) -> bool:
    """Whether a block that is run has one of these texts."""
    return any(isinstance(it, Block) and it.is_run and any(word in it.text for word in words) for it in steps)


@pytest.fixture
def session(stores: dict[str, str]) -> Iterator[Session]:
    # Not in pytest's folders: commands that show a path break the line elsewhere if it is long.
    with TemporaryDirectory() as folder:
        session = Session(Path(folder), stores)
        yield session
        session.close()


@pytest.fixture
def start(serve: Serve) -> Iterator[Callable[[Session, Served], None]]:
    """Serve what a page says, in place of what it had served before."""
    running: list[Server] = []

    def started(session: Session, served: Served) -> None:
        for server in running:
            server.stop()
        files = {name: session.folder / value for name, value in served.settings.items()}
        settings = {name: str(at if at.exists() else served.settings[name]) for name, at in files.items()}
        settings = {
            "BENTOML_HOME": session.env["BENTOML_HOME"],
            "TABENTO_AUDIT_DB": str(session.folder / "tabento-audit.db"),
            **settings,
        }
        running.append(serve(model=served.model, with_grpc=True, **settings))
        session.lead_to(running[-1])

    yield started
    for server in running:
        server.stop()


def prepare(
    steps: list[Block | Served],
    session: Session,
    start: Callable[[Session, Served], None],
    request: pytest.FixtureRequest,
) -> None:
    """Give a page the stores, the service and the log that it needs."""
    served = [step for step in steps if isinstance(step, Served)]
    asks = runs(steps, "localhost:3000", "localhost:3001")
    reads = runs(steps, "service.audit", "tabento-audit.db")
    if served or asks or runs(steps, "training", "bentoml", "mlflow"):
        session.bring_model(request.getfixturevalue("iris_by_command"))
    if served:
        return
    if asks and reads:
        start(session, Served(0, IRIS, {}))
    elif asks:
        session.lead_to(request.getfixturevalue("iris_server"))


@pytest.mark.parametrize("path", RUN_PAGES, ids=name_of)
def test_the_blocks_of_a_page_do_what_it_shows(
    path: Path,
    session: Session,
    start: Callable[[Session, Served], None],
    request: pytest.FixtureRequest,
) -> None:
    steps = STEPS[path]
    prepare(steps, session, start, request)
    assert run_blocks(steps, session, start, run_script) == []


@every_block
def test_a_block_is_run_or_parsed_or_shown_or_says_why_it_is_not_run(block: Block) -> None:
    assert block.language in RUN | PARSED | SHOWN or block.not_run, "mark it: <!-- not run: REASON -->"
    if block.not_run:
        assert block.language not in PARSED | SHOWN, "the mark has no effect"


@every_block
def test_json_and_yaml_are_valid(block: Block) -> None:
    if block.language == "json":
        json.loads(block.text)
    if block.language == "yaml":
        list(yaml.safe_load_all(block.text))


def test_the_pages_of_the_handbook_have_blocks_that_are_run() -> None:
    assert len(RUN_PAGES) > 5

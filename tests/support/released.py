"""A service whose release is changed by the real commands while clients ask it."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from threading import Event
from typing import NamedTuple

import httpx
import pytest

from service.model.published import GOLDEN_FILE
from service.releases.__main__ import main
from service.releases.live_workers import WorkerReport, live_workers
from tests.support.iris_rows import SETOSA
from tests.support.run_here import run_here
from tests.support.servers import COMMAND_TIMEOUT_S, PROJECT, Serve, Server, Starter, run, without_coverage
from tests.support.stores import IrisTraining, copy_iris, environment_of, opened_store, stored_copy
from tests.support.waiting import await_true

NAME = "iris_classifier"
CLIENTS = 2


class Models(NamedTuple):
    """Models of one name in a store of their own."""

    stores: dict[str, str]
    first: str
    second: str
    broken: str
    """Its golden probabilities are not those that it gives."""
    narrow: str
    """It does not accept every row that the others accept."""
    wide: str
    """It accepts longer sepals than the others."""


def make_models(home: Path, training: IrisTraining) -> Models:
    """The model of the run, one of another seed, two that must be refused, and one that accepts more."""
    stores = environment_of(home)
    first = copy_iris(training, stores)
    run("-m", "tests.support.quick_training", "--seed", "7", env=without_coverage(stores), cwd=PROJECT)
    with opened_store(stores) as store:
        second = next(str(model.tag) for model in store.list(NAME) if str(model.tag) != first)
        broken = stored_copy(first, NAME, lambda folder, _: _falsify(folder / GOLDEN_FILE))
        narrow = stored_copy(first, NAME, lambda folder, _: _narrow(folder / "contract.json"))
        wide = stored_copy(first, NAME, lambda folder, _: _widen(folder / "contract.json"))
    return Models(stores, first, second, broken, narrow, wide)


def _falsify(file: Path) -> None:
    golden = json.loads(file.read_text())
    for rows in (golden["probabilities"], golden["compiled_probabilities"] or []):
        for row in rows:
            row.reverse()
    file.write_text(json.dumps(golden))


def _narrow(file: Path) -> None:
    _change_first_feature(file, name="sepal_length_mm")


def _widen(file: Path) -> None:
    _change_first_feature(file, maximum=60.0)


def _change_first_feature(file: Path, **changes: object) -> None:
    contract = json.loads(file.read_text())
    contract["features"][0] |= changes
    file.write_text(json.dumps(contract))


class Service(NamedTuple):
    """A running service, and its release."""

    server: Server
    models: Models

    @property
    def folder(self) -> Path:
        log = self.server.audit_db
        return log.with_name(f"{log.name}.releases") / NAME

    @property
    def file(self) -> Path:
        return self.server.audit_db.with_name(f"{NAME}.release.json")

    def command(self, *arguments: object, **settings: str) -> CompletedProcess[str]:
        """Run a command in this process."""
        with opened_store(self.models.stores):
            return run_here(main, *arguments, **self._environment, **settings)

    def change(self, *arguments: object, **settings: str) -> str:
        """Run a command that changes the release and must succeed; gives what it wrote."""
        done = self.command(*arguments, "--reason", "a test", **settings)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}\n{self.server.log}"
        return done.stdout

    def reports(self) -> list[WorkerReport]:
        """What the live workers say that they serve."""
        return live_workers(self.folder)

    def await_serving(self, *tags: str, workers: int = 2) -> None:
        """Wait until so many workers have these models loaded."""
        await_true(
            lambda: [report.models for report in self.reports()] == [tags] * workers,
            f"{workers} workers serve {tags}",
            state=lambda: f"{self.reports()}\n{self.server.log}",
        )

    def ask(self) -> str:
        """The version of the model that answers a request."""
        answer = httpx.post(f"{self.server.url}/predict", json=SETOSA, timeout=30)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["model_id"])

    @property
    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in self.models.stores.items() if name.startswith("TABENTO_")}
        return {**kept, "TABENTO_AUDIT_DB": str(self.server.audit_db)}


class Answers:
    """What the clients got so far."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.models: Counter[str] = Counter()
        self.errors: list[Exception] = []


@contextmanager
def asked(server: Server) -> Iterator[Answers]:
    """Clients ask the service without a pause; one connection is used for each request."""
    answers, over = Answers(), Event()

    def ask() -> None:
        with httpx.Client(base_url=server.url, timeout=30, headers={"connection": "close"}) as client:
            while not over.is_set():
                try:
                    answer = client.post("/predict", json=SETOSA)
                except httpx.TransportError as error:
                    answers.errors.append(error)
                    continue
                answers.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    answers.models[answer.json()["model_id"]] += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(ask) for _ in range(CLIENTS)]
        try:
            yield answers
        finally:
            over.set()
        for each in asking:
            each.result(COMMAND_TIMEOUT_S)


def start(
    models: Models, folders: pytest.TempPathFactory, release: Path | None = None
) -> tuple[Starter, Service]:
    """Start a service of the first model with two workers, and with this release file."""
    starter = Starter(models.stores, folders)
    settings = {} if release is None else {"TABENTO_RELEASE": str(release)}
    return starter, serve(starter, models, settings)


def serve(starter: Starter, models: Models, settings: dict[str, str]) -> Service:
    """Start it with these settings."""
    start_server: Serve = starter.start
    server = start_server(model=models.first, TABENTO_WORKERS="2", **settings)
    if log := settings.get("TABENTO_AUDIT_DB"):
        server.audit_db = Path(log)
    return Service(server, models)


def link_to(target: Path, link: Path) -> None:
    """Replace a link in one step, as Kubernetes replaces the folder of a ConfigMap."""
    new = link.with_name(f"{link.name}.new")
    new.symlink_to(target)
    new.replace(link)

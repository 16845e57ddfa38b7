"""What is wrong with MLflow's store ends a training with one sentence that has the remedy."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Timer

import mlflow
import pytest

from tests.support.mounts import filesystem_or_skip
from tests.support.tracking_server import tracking_server
from tests.support.trainings import Stores, Trainer, await_end, await_moment
from tests.support.waiting import PATIENCE_S
from training.publish import experiment
from training.publish.experiment import open_experiment
from training.training_errors import TrackingFailed

pytestmark = pytest.mark.usefixtures("own_stores")

OLDER = "451aebb31d03"
"""A schema of MLflow's first versions."""


@pytest.fixture
def database(own_stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A database of MLflow's own, which is the store for one test."""
    open_experiment("first", own_stores)
    database = tmp_path / "mlflow.db"
    copied(own_stores / "mlflow.db", database)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    yield database
    mlflow.set_tracking_uri("")


def copied(database: Path, to: Path) -> None:
    """As one transaction, which a reader sees as a whole or not at all."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)


def changed(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(statement)
        connection.commit()


def failure(folder: Path, name: str = "points") -> str:
    with pytest.raises(TrackingFailed) as raised:
        open_experiment(name, folder)
    text = str(raised.value)
    assert "\n" not in text
    return text


def test_a_deleted_experiment_is_named_with_the_command_that_restores_it(database: Path) -> None:
    opened = open_experiment("gone", database.parent)
    mlflow.MlflowClient().delete_experiment(opened.experiment_id)
    text = failure(database.parent, "gone")
    assert "its experiment 'gone' is deleted." in text
    command = text.partition("`")[2].partition("`")[0]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(command, shell=True, check=True, env=environment, capture_output=True)
    assert open_experiment("gone", database.parent).experiment_id == opened.experiment_id


@pytest.mark.parametrize(
    ("revision", "remedy"),
    [
        ("ffffffffffff", "a newer MLflow than the installed 3.* Install that version"),
        (OLDER, "an older MLflow than the installed 3.* run `mlflow db upgrade`"),
    ],
)
def test_a_database_of_another_mlflow_is_named_as_such(database: Path, revision: str, remedy: str) -> None:
    other = database.with_name("other.db")
    database.rename(other)
    changed(other, f"UPDATE alembic_version SET version_num = '{revision}'")
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{other}"
    text = failure(database.parent)
    first, _, last = remedy.partition(".*")
    assert first in text
    assert last in text


def test_a_file_that_is_no_database_is_named_as_such(database: Path) -> None:
    other = database.with_name("no.db")
    other.write_text("no database" * 100)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{other}"
    assert "the file is not an intact SQLite database" in failure(database.parent)


class TestADatabaseThatAnotherProcessIsCreating:
    @pytest.fixture
    def unfinished(self, database: Path) -> Path:
        """What a process that creates a database leaves in it at first."""
        unfinished = database.with_name("unfinished.db")
        changed(unfinished, "CREATE TABLE experiments (experiment_id INTEGER)")
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{unfinished}"
        return unfinished

    def test_is_awaited(self, unfinished: Path, database: Path) -> None:
        Timer(2, lambda: copied(database, unfinished)).start()
        assert open_experiment("awaited", unfinished.parent).experiment_id

    def test_is_named_as_such_if_it_stays_so(self, unfinished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(experiment, "_CREATION_LIMIT_S", 1.0)
        text = failure(unfinished.parent)
        assert "the database is incomplete; another process may be creating it." in text

    def test_is_awaited_where_mlflow_itself_creates_it(self, database: Path) -> None:
        created = database.with_name("created.db")
        uri = f"sqlite:///{created}"
        script = (
            "from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Store\n"
            f"print(1, flush=True); input(); Store({uri!r}, {str(created.parent)!r})"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as other:
            assert other.stdin
            assert other.stdout
            other.stdout.readline()
            other.stdin.write(b"\n")
            other.stdin.flush()
            os.environ["MLFLOW_TRACKING_URI"] = uri
            assert open_experiment("together", created.parent).experiment_id
            other.wait(PATIENCE_S)


class TestInTheMiddleOfATraining:
    @pytest.fixture
    def stores(self, tmp_path: Path) -> Stores:
        return Stores(tmp_path)

    def test_a_server_that_hangs_ends_it_within_the_limit(self, trainer: Trainer, stores: Stores) -> None:
        with tracking_server(stores.folder) as server:
            limits = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
            process = trainer.start(stores, {"MLFLOW_TRACKING_URI": server.url, **limits})
            await_moment(stores, process, ("Logging logistic", 0))
            os.killpg(server.process.pid, signal.SIGSTOP)
            began = time.monotonic()
            try:
                code = await_end(stores, process)
            finally:
                os.killpg(server.process.pid, signal.SIGCONT)
        assert code == 1, stores.said
        assert "the server did not answer in time. Check it, and train again." in stores.said
        assert "Traceback" not in stores.said
        assert time.monotonic() - began < 60

    def test_a_server_that_is_gone_ends_it_with_the_remedy(self, trainer: Trainer, stores: Stores) -> None:
        with tracking_server(stores.folder) as server:
            limits = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
            process = trainer.start(stores, {"MLFLOW_TRACKING_URI": server.url, **limits})
            await_moment(stores, process, ("Logging logistic", 0))
            server.kill()
            assert await_end(stores, process) == 1, stores.said
        assert "Error: MLflow at http://127.0.0.1:" in stores.said
        assert "the server cannot be reached. Check that it runs" in stores.said
        assert "Traceback" not in stores.said

    def test_a_disk_that_fills_up_ends_it_with_the_remedy(self, trainer: Trainer, tmp_path: Path) -> None:
        with filesystem_or_skip(tmp_path) as disk:
            stores = Stores(disk.folder / "stores", output_name="../../outputs")
            stores.folder.mkdir()
            process = trainer.start(stores)
            await_moment(stores, process, ("Cross-validating logistic", 0))
            disk.fill()
            assert await_end(stores, process) == 1, stores.said
            said = stores.said
        assert "the disk is full. Free some space and train again." in said
        assert "Traceback" not in said


def test_a_read_only_disk_ends_it_with_the_remedy(trainer: Trainer, database: Path, tmp_path: Path) -> None:
    with filesystem_or_skip(tmp_path) as disk:
        stores = Stores(disk.folder / "stores", output_name="../../outputs")
        stores.folder.mkdir()
        shutil.copy(database, stores.folder / "mlflow.db")
        disk.make_read_only()
        assert await_end(stores, trainer.start(stores)) == 1, stores.said
        said = stores.said
    assert "its files cannot be written. Make the folder writable" in said
    assert "Traceback" not in said

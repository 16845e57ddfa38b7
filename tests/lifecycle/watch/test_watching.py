"""Watchers as processes: one retraining at a time, ends and restarts at any moment."""

import signal
from subprocess import CompletedProcess

import mlflow
import psutil
import pytest

from lifecycle.__main__ import main
from lifecycle.watch.watch_state import read_state
from service.monitoring.assessment import Assessment, ColumnDrift
from service.monitoring.store.newest_assessment import write_assessment
from tests.support.replayed_logs import START
from tests.support.retrained_world import BORDER, NAME, World, numbers, sides
from tests.support.run_here import run_here
from tests.support.waiting import await_true
from tests.support.watchers import WatcherProcess, command, tables, watching

LABELS = 40
ON_LABELS = ("--new-labels", str(LABELS))
LOOKED = "Watching"


def fresh(world: World, name: str, labels: int = LABELS) -> World:
    """The model with a log of its own."""
    found = world.another(name)
    x = numbers(labels)
    found.record(x, sides(x, BORDER))
    return found


def once(world: World, *options: str) -> CompletedProcess[str]:
    """What a watcher says that looks once; only its retrainings are processes."""
    return run_here(main, *command(world, "--once", *options))


def versions() -> int:
    return len(mlflow.MlflowClient().search_model_versions(f"name = '{NAME}'"))


def begun(watcher: WatcherProcess) -> psutil.Process:
    """The process of the retraining, when it reads or trains."""

    def found() -> psutil.Process | None:
        watcher.says(LOOKED)
        return next(iter(psutil.Process(watcher.process.pid).children()), None)

    return await_true(found, "a retraining begins", state=lambda: watcher.said)


def test_enough_labels_start_one_retraining_and_a_restart_does_not_begin_another(world: World) -> None:
    labelled = fresh(world, "labelled")
    before = versions()
    done = once(labelled, *ON_LABELS)
    assert done.returncode == 0, done.stderr
    assert f"Retraining, because {LABELS} rows got a label since the last retraining." in done.stdout
    assert "is registered and not released; the gate: cannot tell." in done.stdout
    assert (versions(), len(tables(labelled))) == (before + 1, 1)
    state = read_state(tables(labelled)[0].with_name("watch.json"))
    assert state.retrained_utc is not None
    x = numbers(LABELS, seed=9)
    labelled.record(x, sides(x, BORDER), first=1_000)
    again = once(labelled, *ON_LABELS)
    assert "but waiting: Cool-down until" in again.stdout
    assert len(tables(labelled)) == 1


def test_too_few_labels_start_none(world: World) -> None:
    sparse = fresh(world, "few", LABELS - 1)
    done = once(sparse, *ON_LABELS)
    assert (done.returncode, "Retraining" in done.stdout, tables(sparse)) == (0, False, [])


def test_a_second_watcher_ends_with_a_sentence(world: World) -> None:
    shared = fresh(world, "shared", 1)
    with watching(shared, *ON_LABELS) as first:
        await_true(lambda: first.says(LOOKED), "it watches")
        second = once(shared, *ON_LABELS)
        assert second.returncode == 2
        assert second.stderr.startswith("Another watcher with the folder")
        assert first.end(signal.SIGTERM) == 0
    assert first.said.endswith("Ended by a signal.\n")


def test_sigterm_in_the_middle_of_a_training_ends_both_and_registers_nothing(world: World) -> None:
    ended = fresh(world, "ended")
    before = versions()
    with watching(ended, *ON_LABELS) as watcher:
        retraining = begun(watcher)
        await_true(lambda: bool(tables(ended)), "its table is written", state=lambda: watcher.said)
        assert watcher.end(signal.SIGTERM) == 0
        assert not retraining.is_running()
    assert "The retraining was ended: Ended by SIGTERM" in watcher.said
    assert versions() == before


def test_after_a_kill_the_retraining_ends_too_and_a_restart_waits_for_the_cool_down(world: World) -> None:
    killed = fresh(world, "killed")
    before = versions()
    with watching(killed, *ON_LABELS) as watcher:
        retraining = begun(watcher)
        watcher.end(signal.SIGKILL)
        await_true(lambda: not retraining.is_running(), "the retraining ends with its watcher")
    again = once(killed, *ON_LABELS)
    assert again.returncode == 0
    assert (
        f"{LABELS} rows got a label since the last retraining, but waiting: Cool-down until" in again.stdout
    )
    assert versions() == before
    (killed.folder / f"{NAME}.retraining" / "watch.json").unlink()
    assert "is registered and not released" in once(killed, *ON_LABELS).stdout


def test_a_log_that_is_not_there_yet_is_told_and_watched_on(world: World) -> None:
    early = world.another("early")
    with watching(early, *ON_LABELS) as watcher:
        await_true(lambda: watcher.says("The next look is in 30s"), "it goes on")
        assert "The audit log" in watcher.said
        assert watcher.end(signal.SIGTERM) == 0


def test_input_drift_is_told_once_and_retrains_nothing(world: World) -> None:
    drifting = fresh(world, "drifting", 1)
    found = Assessment(
        assessed_utc=START,
        model_tag=world.champion,
        model_name=NAME,
        model_version="1",
        model_id="1",
        status="alarm",
        read_upto_id=1,
        drift=(ColumnDrift(column="x", verdict="drifting"),),
    )
    write_assessment(drifting.log.with_name("tabento-monitoring.db"), found)
    options = ("--new-labels", "1000", "--on-loss")
    assert "Input drift of x. It alone retrains nothing." in once(drifting, *options).stdout
    again = once(drifting, *options)
    assert (again.returncode, "drift of" in again.stdout, tables(drifting)) == (0, False, [])


@pytest.mark.parametrize("option", ["--every", "--cool-down"])
def test_a_duration_without_a_unit_is_refused(world: World, option: str) -> None:
    done = once(world, *ON_LABELS, option, "20")
    assert done.returncode == 2
    assert "'20' is not a duration such as 20s, 15m, 6h or 7d" in done.stderr

"""All workers of a service take a release, or none does, whichever of them dies, hangs or refuses."""

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import sleep

import pytest

from service.audit.query.acts import logged_acts
from service.releases.agreement import Agreement, Vote
from service.releases.live_workers import Membership, live_workers
from service.releases.release_acts import state_in_force, state_refused
from service.releases.release_file import write_release
from tests.support.audit.logs import write
from tests.support.releases import FIRST, SECOND, THIRD, Workers, places_in, release
from tests.support.waiting import await_true

Join = Callable[[Path], Membership]


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    write(tmp_path / "audit.db")
    workers = Workers(places_in(tmp_path))
    yield workers
    workers.stop()


@pytest.fixture
def join() -> Iterator[Join]:
    """Let this process be a member of an agreement, also several times."""
    with ExitStack() as members:

        def be_member(folder: Path) -> Membership:
            membership = Membership(folder)
            members.callback(membership.leave)
            return membership

        yield be_member


def actions(workers: Workers) -> list[object]:
    return [act.detail["action"] for act in logged_acts(workers.places.log, kind="release")]


def test_all_take_a_release_and_the_ledger_states_it_once(workers: Workers) -> None:
    for _ in range(3):
        workers.start()
    write_release(workers.places.file, first := release(FIRST, SECOND))
    workers.await_serving(first, 3)
    write_release(workers.places.file, second := release(SECOND))
    workers.await_serving(second, 3)
    acts = [*logged_acts(workers.places.log, kind="release")]
    assert [act.detail["workers"] for act in acts] == [3, 3]
    accepted = Agreement(workers.places.folder, workers.places.log).accepted()
    assert accepted is not None
    assert (accepted.number, accepted.release) == (2, second)
    assert [*workers.places.folder.glob("vote-*")] == []


def test_one_that_refuses_keeps_all_from_it_and_a_later_release_is_taken(workers: Workers) -> None:
    workers.start()
    workers.start(refused=SECOND)
    write_release(workers.places.file, refused := release(FIRST, SECOND))
    agreement = Agreement(workers.places.folder, workers.places.log)
    found = await_true(lambda: agreement.any_refusal(refused), "it is refused")
    assert "it is refused here" in found.reasons[0]
    assert agreement.accepted() is None
    assert [report.release_id for report in workers.reports()] == [None, None]
    write_release(workers.places.file, second := release(FIRST, THIRD))
    workers.await_serving(second, 2)
    assert actions(workers) == ["refused", "in_force"]


def test_one_that_hangs_makes_the_others_refuse_in_time(workers: Workers) -> None:
    workers.start(limit_s=1.0)
    workers.start(limit_s=1.0)
    workers.processes[1].send_signal(signal.SIGSTOP)
    write_release(workers.places.file, wanted := release(FIRST, SECOND))
    agreement = Agreement(workers.places.folder, workers.places.log)
    found = await_true(lambda: agreement.any_refusal(wanted), "it is refused")
    assert found.reasons == (f"worker {workers.processes[1].pid} did not answer in time",)
    workers.processes[1].send_signal(signal.SIGCONT)
    write_release(workers.places.file, later := release(FIRST, THIRD))
    workers.await_serving(later, 2)


@pytest.mark.parametrize("seed", range(4))
def test_one_that_dies_at_any_moment_blocks_nobody(workers: Workers, seed: int) -> None:
    moment = random.Random(seed)
    for _ in range(3):
        workers.start(seconds=0.2)
    write_release(workers.places.file, wanted := release(FIRST, SECOND))
    sleep(moment.uniform(0.0, 0.9))
    workers.processes[moment.randrange(3)].kill()
    await_true(lambda: len(workers.reports()) == 2, "it is no member any more")
    workers.await_serving(wanted, 2)
    workers.start()
    workers.await_serving(wanted, 3)
    assert actions(workers) == ["in_force"]


def test_one_that_starts_meanwhile_is_asked_too(tmp_path: Path, join: Join) -> None:
    places, wanted = places_in(tmp_path), release(FIRST, SECOND)
    write(places.log)
    agreement, first = Agreement(places.folder, places.log), join(places.folder)
    agreement.vote(0, wanted, first.worker, Vote())
    second = join(places.folder)
    assert not agreement.decide(0, wanted, is_late=False)
    agreement.vote(0, wanted, second.worker, Vote(reason="no"))
    assert agreement.decide(0, wanted, is_late=False)
    assert agreement.accepted() is None
    found = agreement.any_refusal(wanted)
    assert found is not None
    assert found.reasons == ("no",)


def test_a_decision_survives_the_workers(workers: Workers) -> None:
    workers.start()
    write_release(workers.places.file, first := release(FIRST, SECOND))
    workers.await_serving(first, 1)
    workers.stop()
    workers.start(refused=THIRD)
    workers.await_serving(first, 1)
    write_release(workers.places.file, refused := release(FIRST, THIRD))
    await_true(lambda: "refused" in actions(workers), "it is refused")
    workers.stop()
    workers.start()
    agreement = Agreement(workers.places.folder, workers.places.log)
    await_true(lambda: agreement.any_refusal(refused), "it stays refused")
    workers.await_serving(first, 1)
    assert actions(workers) == ["in_force", "refused"]


def test_what_the_ledger_states_is_in_force_if_the_worker_died_before_the_others_saw_it(
    tmp_path: Path, join: Join
) -> None:
    places, wanted = places_in(tmp_path), release()
    write(places.log)
    agreement, membership = Agreement(places.folder, places.log), join(places.folder)
    agreement.vote(0, wanted, membership.worker, Vote(reason="too late"))
    state_in_force(places.log, 1, wanted, 2)
    assert agreement.decide(0, wanted, is_late=False)
    accepted = agreement.accepted()
    assert accepted is not None
    assert accepted.release == wanted
    assert len([*logged_acts(places.log, kind="release")]) == 1


def test_what_the_ledger_states_stays_refused_if_the_worker_died_before_the_others_saw_it(
    tmp_path: Path, join: Join
) -> None:
    places, wanted = places_in(tmp_path), release(FIRST, SECOND)
    write(places.log)
    agreement, membership = Agreement(places.folder, places.log), join(places.folder)
    agreement.vote(0, wanted, membership.worker, Vote())
    state_refused(places.log, 0, wanted, ["no"])
    assert agreement.decide(0, wanted, is_late=False)
    assert agreement.accepted() is None
    found = agreement.refusal(0, wanted)
    assert found is not None
    assert found.reasons == ("no",)
    assert len([*logged_acts(places.log, kind="release")]) == 1


def test_nothing_is_decided_without_votes_and_a_refusal_of_an_earlier_number_does_not_count(
    tmp_path: Path, join: Join
) -> None:
    places, first, second = places_in(tmp_path), release(), release(FIRST, SECOND)
    write(places.log)
    agreement, membership = Agreement(places.folder, places.log), join(places.folder)
    assert not agreement.decide(0, second, is_late=False)
    agreement.vote(0, second, membership.worker, Vote(reason="no"))
    assert agreement.decide(0, second, is_late=False)
    assert agreement.refusal(0, second) is not None
    agreement.vote(0, first, membership.worker, Vote())
    assert agreement.decide(0, first, is_late=False)
    assert agreement.refusal(1, second) is None
    assert agreement.any_refusal(second) is None


def test_the_files_of_dead_workers_are_deleted(tmp_path: Path, join: Join) -> None:
    folder = tmp_path / "folder"
    first, second = join(folder), join(folder)
    first.report("a" * 32, (FIRST,))
    assert [report.release_id for report in live_workers(folder) if report.worker == first.worker] == [
        "a" * 32
    ]
    (dead,) = [report for report in live_workers(folder) if report.worker == first.worker]
    first.leave()
    dead.lock.write_text("")  # As a worker that was killed leaves it.
    assert [report.worker for report in live_workers(folder)] == [second.worker]
    assert not dead.lock.exists()
    assert len([*folder.iterdir()]) == 1
    second.leave()
    second.report("b" * 32, ())


def test_a_changed_file_with_the_id_of_the_release_in_force_is_told(
    workers: Workers, capfd: pytest.CaptureFixture[str]
) -> None:
    workers.start()
    write_release(workers.places.file, first := release(FIRST, SECOND))
    workers.await_serving(first, 1)
    write_release(workers.places.file, first.model_copy(update={"challenger": THIRD}))
    said = ""

    def is_told() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return "Give it another release_id" in said

    await_true(is_told, "it is told")
    assert [report.models for report in workers.reports()] == [(FIRST, SECOND)]

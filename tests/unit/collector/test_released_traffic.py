"""The traffic of a release is counted for the model that the release gave it to."""

import math
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from service.audit.act import SERVICE, make_act
from service.audit.write.logfile import LogFile
from service.audit.write.record import AuditRecord
from service.collector.collecting import Collector
from service.collector.named_version import names_version
from service.model.release.assignment import assigned_role
from service.wire.protocol import make_protocol
from tests.support.collected_logs import outcome, rows_of
from tests.support.released_logs import ReleasedLog
from training.table.dataset import Dataset


@pytest.fixture(scope="module")
def rows(mixed_dataset: Dataset) -> list[dict[str, Any]]:
    return rows_of(mixed_dataset)


def failed(record: AuditRecord, status: int = 500) -> AuditRecord:
    return replace(record, status=status, response=b"{}", predictions=(), rows=0)


def test_in_canary_each_request_counts_for_the_model_that_its_key_was_assigned_to(
    released: ReleasedLog, rows: list[dict[str, Any]]
) -> None:
    release = released.release("canary")
    released.write(released.predicted(rows[0], "before"))
    released.come_into_force(release)
    singles = [released.assigned(release, rows[number], f"r-{number}") for number in range(30)]
    batch = replace(released.assigned(release, rows[:5], "batch"), flags=3, duration_ms=8.0)
    broken = released.assigned(release, rows[0], "broken")
    released.write(*singles, batch, failed(broken), failed(released.predicted(rows[0], "full"), 503))
    state = released.evidence_state(release)
    roles = [
        assigned_role(release.salt, key, release.share)
        for key in (*(f"r-{number}" for number in range(30)), "batch", "broken")
    ]
    challenger = [role == "challenger" for role in roles]
    assert 5 < sum(challenger) < 25
    assert state.challenger.requests == sum(challenger[:31])
    assert state.champion.requests == 31 - sum(challenger[:31])
    assert (state.champion.keys, state.challenger.keys) == (32 - sum(challenger), sum(challenger))
    with_batch = state.challenger if challenger[30] else state.champion
    assert (with_batch.rows, with_batch.flagged_rows) == (with_batch.requests + 4, 3)
    assert with_batch.log_ms_sum == pytest.approx(math.log(8), abs=1e-6)
    assert with_batch.log_ms_squares == pytest.approx(math.log(8) ** 2, abs=1e-6)
    with_failure = state.challenger if challenger[31] else state.champion
    assert with_failure.failed_requests == 1
    confidences = [
        confidence
        for record, is_challengers in zip((*singles, batch), challenger, strict=False)
        for _, confidence in record.predictions
        if is_challengers
    ]
    assert state.challenger.confidence_sum == pytest.approx(sum(confidences), abs=1e-5)
    assert state.shadow.requests == 0


def test_a_request_that_the_assignment_did_not_decide_counts_for_neither_model(
    released: ReleasedLog, rows: list[dict[str, Any]]
) -> None:
    release = released.release("ab", share=0.5)
    released.come_into_force(release)
    keys = [f"r-{number}" for number in range(40)]
    others = [key for key in keys if assigned_role(release.salt, key, release.share) == "champion"]
    named = [released.answered_by(released.rival, rows[0], key) for key in others]
    path = "/v2/models/measured_mixed/versions/1/infer"
    agreeing = [replace(released.assigned(release, rows[0], key), route=path) for key in keys]
    released.write(*named, *agreeing, *[outcome(key, "left") for key in others])
    state = released.evidence_state(release)
    assert state.champion.requests == state.challenger.requests == 0
    assert state.champion.keys == state.challenger.keys == 0
    assert len(state.champion_rows.request) == len(state.challenger_rows.request) == 0


@pytest.mark.parametrize("version", ["", "3"])
def test_a_message_of_grpc_names_a_version(version: str) -> None:
    infer = make_protocol().messages["ModelInferRequest"](model_name="iris" * 40, id="7")
    infer.model_version = version
    infer.inputs.add(name="x", datatype="FP64", shape=[1]).contents.fp64_contents.append(1.0)
    body: bytes = infer.SerializeToString()
    assert names_version(_grpc(body)) == bool(version)
    assert not names_version(_grpc(body[:3]))


def _grpc(body: bytes) -> Any:
    from service.audit.file.logged_record import LoggedRecord

    route = "/inference.GRPCInferenceService/ModelInfer"
    about = 1, "r", "2026-01-01T00:00:00Z", "grpc", route, 200, 1
    return LoggedRecord(*about, body, 0, b"", "", 1, 1.0, 0, None)


def test_a_subject_is_one_key_however_many_requests_it_sends(
    released: ReleasedLog, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    release = released.release("ab", share=0.5)
    released.come_into_force(release)
    subjects = [f"{number:064x}"[::-1] for number in range(1, 9)]
    records = [
        released.assigned(release, rows[0], f"r-{subject}-{number}", subjects[subject])
        for number in range(3)
        for subject in range(8)
    ]
    released.write(*records, released.assigned(release, rows[0], "without"))
    state = released.evidence_state(release, chunk_records=7)
    roles = [assigned_role(release.salt, key, release.share) for key in (*subjects, "without")]
    assert (state.champion.keys, state.challenger.keys) == (
        roles.count("champion"),
        roles.count("challenger"),
    )
    assert state.champion.requests + state.challenger.requests == 25
    released.db.unlink()
    monkeypatch.setattr("service.collector.release_counting.MOST_KEYS", 5)
    for chunk in (1, 7, 100):
        limited = released.evidence_state(release, chunk_records=chunk)
        of_first = [*roles[:5], roles[8]]
        assert limited.champion.keys == of_first.count("champion")
        assert limited.challenger.keys == of_first.count("challenger")
        released.db.unlink()


def test_each_release_has_its_own_counts_and_a_restart_begins_none(
    released: ReleasedLog, rows: list[dict[str, Any]]
) -> None:
    first, second = released.release("canary"), released.release("canary", 2, share=1.0)
    released.come_into_force(first)
    released.write(*[released.assigned(first, rows[0], f"a-{number}") for number in range(10)])
    released.come_into_force(first)
    released.write(*[released.assigned(first, rows[0], f"b-{number}") for number in range(10)])
    released.come_into_force(second)
    released.write(*[released.assigned(second, rows[0], f"c-{number}") for number in range(10)])
    released.come_into_force(released.release("single", 3))
    released.write(*[released.predicted(rows[0], f"d-{number}") for number in range(10)])
    for chunk in (3, 2_000):
        before = released.evidence_state(first, chunk_records=chunk)
        after = released.evidence_state(second)
        assert before.champion.requests + before.challenger.requests == 20
        assert (after.champion.requests, after.challenger.requests) == (0, 10)
        released.db.unlink()


def test_the_champion_in_force_is_the_served_model(released: ReleasedLog, rows: list[dict[str, Any]]) -> None:
    champion, rival = released.model.model.tag, released.rival.model.tag
    with closing(LogFile(released.log)) as file, file.transaction() as (_, tail):
        tail.add_act(make_act("start", SERVICE, {"model": champion}))
    released.write(released.answered_by(released.rival, rows[0], "a"), released.predicted(rows[0], "b"))
    single = released.release("single").model_copy(update={"champion": rival})
    released.come_into_force(single)
    with released.collect() as store:
        served, release = store.served_model(), store.release()
    assert served is not None
    assert (served.tag, release) == (rival, single)


def test_an_act_that_this_version_cannot_read_ends_nothing(
    released: ReleasedLog, rows: list[dict[str, Any]]
) -> None:
    with closing(LogFile(released.log)) as file, file.transaction() as (_, tail):
        tail.add_act(make_act("release", SERVICE, {"action": "in_force", "release": {"format": 9}}))
        tail.add_act(make_act("release", SERVICE, {"action": "refused", "reasons": ["no"]}))
    released.write(released.predicted(rows[0], "a"))
    with released.collect() as store:
        assert store.release() is None
        assert store.evidence_state("0" * 32) is None
        assert [facts.predictions for facts in store.models()] == [1]


def test_the_newest_releases_are_kept(
    released: ReleasedLog, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.collector.collecting.MOST_RELEASES", 2)
    releases = [released.release("ab", number, share=0.5) for number in (1, 2, 3)]
    subjects = [f"{number:064x}"[::-1] for number in range(1, 7)]
    for release in releases:
        released.come_into_force(release)
        name = release.release_id[-1]
        released.write(*[released.assigned(release, rows[0], f"{name}-{s}", s) for s in subjects])
        released.write(*[outcome(f"{name}-{s}", "left") for s in subjects])
    with closing(Collector(released.log, released.db)) as collector:
        while collector.step():
            pass
        collector.tidy(0.0)
        states = [collector.store.evidence_state(release.release_id) for release in releases]
        assert states[0] is None
        assert [len(s.champion_rows.request) + len(s.challenger_rows.request) for s in states[1:] if s] == [
            6,
            6,
        ]
        models = released.model, released.rival
        assert sum(len(collector.store.labelled(each.card.model_id).truth) for each in models) == 18
        released.write(*[released.assigned(releases[2], rows[0], f"4-{s}", s) for s in subjects])
        while collector.step():
            pass
        newest = collector.store.evidence_state(releases[2].release_id)
    assert newest is not None
    assert newest.champion.keys + newest.challenger.keys == 6

"""The evidence is what a slow, plain recomputation of all of the log says, however it was read."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from service.audit.columns import REQUEST_COLUMNS
from service.audit.file.kept_body import body_bytes
from service.model.release.assignment import assigned_role
from service.model.release.release import Release
from service.monitoring.evidence.evidence_state import EvidenceState
from tests.support.collected_logs import content_of, outcome, rows_of
from tests.support.killed_collecting import collect_and_kill
from tests.support.released_logs import ReleasedLog, plain
from training.table.dataset import Dataset

SUBJECTS = (None, "3" * 64, "b" * 64)
MODES = ("single", "shadow", "canary", "ab")
STEP = st.tuples(
    st.sampled_from(["row", "row", "batch", "shadow", "truth", "failed", "in force", "collect"]),
    st.sampled_from([f"r-{number}" for number in range(8)]),
    st.integers(0, 3),
)


@pytest.fixture(scope="module")
def rows(mixed_dataset: Dataset) -> list[dict[str, Any]]:
    return rows_of(mixed_dataset)


def exported(log: Path) -> Any:
    """The records of a log."""
    with closing(apsw.Connection(str(log))) as connection:
        columns = ", ".join(REQUEST_COLUMNS)
        rows = connection.execute(f"SELECT {columns} FROM request ORDER BY id").fetchall()
        frame = pd.DataFrame(rows, columns=REQUEST_COLUMNS, dtype=object)
        return frame.where(frame.notna(), None)


def recomputed(log: ReleasedLog, release: Release) -> dict[str, Any]:
    """What the log says of a release in canary or ab, or in shadow."""
    records = exported(log.log)
    with closing(apsw.Connection(str(log.log))) as connection:
        acts = connection.execute("SELECT id, detail_json FROM ledger WHERE kind = 'release' ORDER BY id")
        in_force = [(id_, from_json(detail)["release"]["release_id"]) for id_, detail in acts]
    begun = min(id_ for id_, release_id in in_force if release_id == release.release_id)
    truths: dict[tuple[str, int], str] = {}
    for record in records[records.status == 201].itertuples():
        body = from_json(record.request_json)
        truths[record.request_id, body["row"]] = body["label"]
    answers = records[records.status == 200]
    unique = answers[~answers.request_id.duplicated(keep=False)]
    shadows = [
        record
        for record in records[records.status == 203].itertuples()
        if from_json(body_bytes(record.request_json))["release"] == release.release_id and record.id > begun
    ]
    found: dict[str, Any] = {
        "shadow": (len(shadows), sum(record.rows for record in shadows)),
        "paired": _pairs(unique, shadows, truths) if release.mode == "shadow" else [],
    }
    tags = {log.model.card.model_id: "champion", log.rival.card.model_id: "challenger"}
    for role in ("champion", "challenger"):
        own = [
            record
            for record in records[records.status.isin([200, 500])].itertuples()
            if [id_ for at, id_ in in_force if at < record.id][-1:] == [release.release_id]
            and tags[record.model_id] == role
            and (not release.is_routed or assigned_role(release.salt, _key(record), release.share) == role)
        ]
        found[role] = _counts(own, release)
        found[f"{role}_rows"] = _labelled(unique, own, truths) if release.is_routed else []
    return found


def _key(record: Any) -> str:
    return str(record.request_id if record.subject is None else record.subject)


def _cluster(record: Any) -> int:
    """What rows have in common that depend on each other: the person, or else the request."""
    return int(record.id) if record.subject is None else int(record.subject[:16], 16) - 2**63


def _counts(own: Sequence[Any], release: Release) -> dict[str, int]:
    answered = [record for record in own if record.status == 200]
    subjects = {record.subject for record in own} - {None}
    return {
        "requests": len(answered),
        "failed_requests": len(own) - len(answered),
        "rows": sum(record.rows for record in answered),
        "keys": len(subjects) + sum(each.subject is None for each in own) if release.is_routed else 0,
    }


def _labelled(unique: Any, own: Sequence[Any], truths: dict[tuple[str, int], str]) -> list[Any]:
    ids = {record.id for record in own}
    return sorted(
        (record.id, row, _cluster(record), from_json(record.response_json)["predictions"][row] == truth)
        for record in unique.itertuples()
        if record.id in ids
        for row in range(record.rows)
        if (truth := truths.get((record.request_id, row))) is not None
    )


def _pairs(unique: Any, shadows: Sequence[Any], truths: dict[tuple[str, int], str]) -> list[Any]:
    pairs = []
    for record in unique.itertuples():
        said = [
            from_json(shadow.response_json)["predictions"]
            for shadow in shadows
            if shadow.request_id == record.request_id
            and from_json(shadow.request_json)["champion"]["received_utc"] == record.received_utc
        ]
        champion = from_json(record.response_json)["predictions"]
        pairs += [
            (record.id, row, _cluster(record), champion[row] == truth, said[0][row] == truth)
            for row in range(record.rows if said else 0)
            if (truth := truths.get((record.request_id, row))) is not None
        ]
    return sorted(pairs)


def summary(state: EvidenceState) -> dict[str, Any]:
    """The same of a state."""
    found: dict[str, Any] = {}
    for role in ("champion", "challenger"):
        counts, rows = getattr(state, role)._asdict(), getattr(state, f"{role}_rows")
        if role == "challenger" and state.release.mode == "shadow":
            counts = dict.fromkeys(counts, 0)
        found[role] = {name: counts[name] for name in ("requests", "failed_requests", "rows", "keys")}
        found[f"{role}_rows"] = [*zip(rows.request.tolist(), rows.is_right.tolist(), strict=True)]
    found["shadow"] = state.shadow.requests, state.shadow.rows
    pair = state.paired
    found["paired"] = [
        *zip(
            pair.champion.request.tolist(),
            pair.champion.is_right.tolist(),
            pair.challenger.is_right.tolist(),
            strict=True,
        )
    ]
    return found


def without_places(found: dict[str, Any]) -> dict[str, Any]:
    """The recomputed summary without the places of rows, whose order it keeps."""
    lists = ("champion_rows", "challenger_rows", "paired")
    cut = {name: [each[2:] for each in found[name]] for name in lists}
    return {**found, **cut}


class Story:
    """A log that grows by steps."""

    def __init__(self, log: ReleasedLog, rows: list[dict[str, Any]]) -> None:
        self.log, self.rows = log, rows
        self.releases = [log.release("canary", 1)]
        self._answered: dict[str, Any] = {}
        log.come_into_force(self.releases[0])

    def take(self, kind: str, request_id: str, number: int) -> None:
        log, release = self.log, self.releases[-1]
        subject = SUBJECTS[number % len(SUBJECTS)]
        if kind == "in force":
            mode: Any = MODES[number]
            self.releases.append(log.release(mode, len(self.releases) + 1))
            log.come_into_force(self.releases[-1])
        elif kind == "truth":
            log.write(outcome(request_id, ("left", "stays", "unsure")[number % 3], row=number // 2))
        elif kind == "shadow":
            if release.mode == "shadow" and (record := self._answered.get(request_id)) is not None:
                log.write_at(log.shadow(record, release, number))
        elif kind == "collect":
            log.collect(chunk_records=number + 1).close()
        else:
            asked = self.rows[: number + 1] if kind == "batch" else self.rows[number]
            record = log.assigned(release, asked, request_id, subject)
            if kind == "failed":
                record.status, record.response, record.predictions, record.rows = 500, b"{}", (), 0
            log.write(record)
            if kind != "failed":
                self._answered[request_id] = record


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEP, max_size=20), chunk=st.integers(1, 5))
def test_the_evidence_is_that_of_a_plain_recomputation_in_whatever_portions_the_log_is_read(
    released: ReleasedLog, rows: list[dict[str, Any]], steps: list[tuple[str, str, int]], chunk: int
) -> None:
    story = Story(released.anew(), rows)
    for step in steps:
        story.take(*step)
    log = story.log
    log.collect(chunk_records=chunk).close()
    in_bits = content_of(log.db)
    states = [plain(log.evidence_state(release)) for release in story.releases]
    log.db.unlink()
    for release, state in zip(story.releases, states, strict=True):
        again = log.evidence_state(release)
        assert plain(again) == state
        if release.mode != "single":
            assert summary(again) == without_places(recomputed(log, release))
    assert content_of(log.db) == in_bits


def filled(log: ReleasedLog, rows: list[dict[str, Any]]) -> list[Release]:
    """A log of a shadow and a canary, with labels before and after what they are about."""
    random = np.random.default_rng(5)
    story = Story(log, rows)
    kinds = ("row", "batch", "shadow", "truth", "failed")
    for mode in (1, 2, 0):
        story.take("in force", "", mode)
        for _ in range(60):
            request_id = f"{mode}-{random.integers(12)}"
            story.take(kinds[random.integers(len(kinds))], request_id, int(random.integers(4)))
    return story.releases


def test_a_process_that_is_killed_at_any_moment_loses_and_doubles_nothing(
    released: ReleasedLog, rows: list[dict[str, Any]], stores: dict[str, str]
) -> None:
    releases = filled(released, rows)
    collect_and_kill(released.log, released.db, stores)
    states = [plain(released.evidence_state(release)) for release in releases]
    content = content_of(released.db)
    released.db.unlink()
    assert [plain(released.evidence_state(release)) for release in releases] == states
    assert content_of(released.db) == content
    assert states[1]["paired"]["champion"]["request"]
    assert states[2]["champion_rows"]["request"]

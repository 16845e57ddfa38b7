"""The replay of a log with another model, as one function.

Nothing is written, neither to the log nor to a store. Parts of the log are read in processes of their own;
each keeps counts, examples and a limited number of labelled rows, so memory does not grow with the log.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from lifecycle.replay.model_speed import SAMPLE_ROWS, speed_of
from lifecycle.replay.part_tally import PartTally
from lifecycle.replay.policy_verdict import Limits, evidence_of, verdict_of
from lifecycle.replay.reading.answered_records import AnsweredRecords, Span
from lifecycle.replay.reading.candidate_model import RecordedModels, load_named
from lifecycle.replay.reading.record_reading import RecordReading
from lifecycle.replay.replay_figures import broken_rules, calibration_of, disagreements, segments
from lifecycle.replay.replay_result import (
    ComparedModel,
    MatchedOutcomes,
    ModelSpeed,
    ReplayedRecords,
    ReplayResult,
)
from lifecycle.replay.replay_work import ReplayWork, WorkTask
from service.model.published import PublishedModel
from service.model.release.release import Policy
from service.model.release.widening import differences
from service.replay.part_processes import results_of
from service.replay.recorded import IdRange

PART_RECORDS = 20_000
"""Ids of a part. Fewer records are replayed in this process, as others take a second to start."""


class ReplayTask(NamedTuple):
    """What is replayed, and by which policy it is judged."""

    log: Path
    candidate: str
    """The tag of a model of the BentoML store, or of ``folders``."""
    against: str | None = None
    """The tag of a model to compare with; the recorded answers if it is None."""
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None
    """The newest answered records alone, so many."""
    policy: Policy = Policy()
    max_disagreement: float | None = None
    """The largest share of rows with another label; None: any."""
    max_broken: float = 0.0
    """The largest share of records that may break the candidate's contract."""
    examples: int = 20
    processes: int = 2
    folders: tuple[Path, ...] = ()
    """Further folders with models ``NAME/VERSION``."""
    part_records: int = PART_RECORDS


class _Sides(NamedTuple):
    """What is compared."""

    log: AnsweredRecords
    candidate: PublishedModel
    against: PublishedModel | None
    models: RecordedModels


def replay(task: ReplayTask) -> ReplayResult:
    """Replay the answered records of a log with the candidate.

    Raises AuditUnusable, ModelNotPublished, ModelUnusable, or ReplayFailed if a process ended.
    """
    started = perf_counter()
    span = Span.between(task.since, task.until)
    candidate = load_named(task.candidate, task.folders)
    against = None if task.against is None else load_named(task.against, task.folders)
    with closing(AnsweredRecords(task.log, span)) as log:
        sides = _Sides(log, candidate, against, RecordedModels(log.cards(), task.folders))
        upto_id = log.last_id()
        ids = log.ids(upto_id, task.limit)
        work = partial(
            ReplayWork,
            WorkTask(task.log, span, upto_id, task.candidate, task.against, task.folders, task.examples),
        )
        tally = PartTally()
        for part in results_of(work, _parts(ids, task.part_records), processes=task.processes):
            tally.add(part, task.examples)
        seconds = perf_counter() - started
        return _result(task, sides, tally, upto_id, _speed(sides, tally, ids)).model_copy(
            update={"seconds": seconds}
        )


def _parts(ids: IdRange, records: int) -> list[IdRange]:
    starts = range(ids.after, ids.upto, records)
    return [IdRange(start, min(start + records, ids.upto)) for start in starts]


def _result(
    task: ReplayTask, sides: _Sides, tally: PartTally, upto_id: int, speed: tuple[ModelSpeed, ...]
) -> ReplayResult:
    policy, now = task.policy, datetime.now(UTC)
    evidence = evidence_of(tally, sides.candidate.tag, policy, upto_id, now)
    compared = tuple(_compared(sides, tally))
    limits = Limits(task.max_disagreement, task.max_broken)
    verdict, reasons = verdict_of(tally, compared, evidence, limits)
    paired = tally.paired()
    return ReplayResult(
        replayed_utc=now,
        log=task.log.name,
        upto_id=upto_id,
        candidate=sides.candidate.tag,
        candidate_version=sides.candidate.lineage.model_version,
        compared=compared,
        is_against_model=sides.against is not None,
        policy=policy,
        max_disagreement=task.max_disagreement,
        max_broken=task.max_broken,
        records=_records(tally),
        broken=broken_rules(tally),
        disagreements=disagreements(tally, evidence.disagreement),
        outcomes=MatchedOutcomes(judged=len(paired.champion.request), **tally.outcomes),
        differences=evidence.differences,
        discordance=evidence.discordance,
        guardrails=evidence.guardrails,
        calibration=calibration_of(paired.challenger, policy.alpha),
        segments=segments(tally, sides.candidate.profile, policy.alpha),
        speed=speed,
        verdict=verdict,
        reasons=reasons,
    )


def _records(tally: PartTally) -> ReplayedRecords:
    ends = [datetime.fromisoformat(text) if text else None for text in (tally.first_utc, tally.last_utc)]
    return ReplayedRecords(first_received_utc=ends[0], last_received_utc=ends[1], **tally.records)


def _compared(sides: _Sides, tally: PartTally) -> Iterator[ComparedModel]:
    """The models whose answers are compared, those with the most records first."""
    own = sides.candidate.contract
    if sides.against is not None:
        found = differences(sides.against.contract, own)
        yield ComparedModel(tag=sides.against.tag, records=tally.records["records"], differences=tuple(found))
        return
    for model_id, records in tally.by_model.most_common():
        contract = sides.models.contract(model_id)
        yield ComparedModel(
            tag=sides.models.tag(model_id),
            model_id=model_id,
            records=records,
            differences=() if contract is None else tuple(differences(contract, own)),
            is_contract_known=contract is not None,
        )


def _speed(sides: _Sides, tally: PartTally, ids: IdRange) -> tuple[ModelSpeed, ...]:
    """Of the candidate, and of the model that answered most, if the store has it, on the same records."""
    other = sides.against
    if other is None and tally.by_model:
        other = sides.models.load(tally.by_model.most_common(1)[0][0])
    records = [record for chunk in islice(sides.log.chunks(ids), 1) for record in chunk if record.has_content]
    found = []
    for model in (sides.candidate, other):
        if model is None:
            continue
        read = RecordReading(model.contract).read(records).read
        if rows := [row for each in read for row in each.rows][:SAMPLE_ROWS]:
            found.append(speed_of(model, rows))
    return tuple(found)

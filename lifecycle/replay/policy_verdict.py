"""The verdict on a candidate: that of the live evidence, and the limits that only a replay knows.

The labelled rows are judged by ``assess_evidence``, as those of a challenger in shadow are: the compared
answers are the champion's. Its intervals hold at every look, so a replay may be repeated as the log grows.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from lifecycle.replay.part_tally import PartTally
from lifecycle.replay.replay_result import ComparedModel, Verdict
from service.model.release.release import Policy, Release
from service.monitoring.evidence.assess_evidence import assess_evidence
from service.monitoring.evidence.evidence import Evidence
from service.monitoring.evidence.evidence_state import EvidenceState, RoleCounts, ShadowCounts, no_rows
from service.monitoring.report.wording import count, percent

RECORDED = "recorded"
"""In place of the champion's version: the recorded answers may be of several."""


class Limits(NamedTuple):
    """The limits of a replay beside the policy."""

    max_disagreement: float | None
    max_broken: float


def evidence_of(tally: PartTally, candidate: str, policy: Policy, upto_id: int, now: datetime) -> Evidence:
    """The evidence on the candidate as a challenger in shadow."""
    release = Release(
        release_id="0" * 32,
        since_utc=datetime.fromisoformat(tally.first_utc) if tally.first_utc else now,
        champion=f"{candidate.partition(':')[0]}:{RECORDED}",
        challenger=candidate,
        mode="shadow",
        policy=policy,
    )
    replayed = tally.records["replayed"]
    role = RoleCounts(requests=replayed, rows=tally.rows)
    is_sure = tally.sure_rows == tally.rows
    shadow = ShadowCounts(
        requests=replayed,
        rows=tally.rows,
        differing_rows=tally.differing,
        confidence_difference_sum=tally.confidence_difference if is_sure else math.nan,
        confidence_difference_squares=tally.confidence_squares,
        by_classes=tuple((*pair, rows) for pair, rows in tally.pairs.items()),
    )
    state = EvidenceState(
        release=release,
        champion=role,
        challenger=role,
        shadow=shadow,
        paired=tally.paired(),
        champion_rows=no_rows(),
        challenger_rows=no_rows(),
        read_upto_id=upto_id,
    )
    return assess_evidence(state, now)


def verdict_of(
    tally: PartTally, compared: Sequence[ComparedModel], evidence: Evidence, limits: Limits
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and why, a sentence each."""
    objections = [*_objections(tally, compared, evidence, limits)]
    if objections:
        return "objection", tuple(objections)
    if evidence.action == "promote":
        return "passed", evidence.reasons
    return "undecided", (evidence.needed or "The labels do not suffice.",)


def _objections(
    tally: PartTally, compared: Sequence[ComparedModel], evidence: Evidence, limits: Limits
) -> Iterator[str]:
    for model in compared:
        for difference in model.differences:
            yield f"It cannot take over the requests of {model.tag}: {difference}"
    read = tally.records["replayed"] + tally.records["broken"]
    broken = tally.records["broken"]
    if broken > limits.max_broken * read:
        yield (
            f"{count(broken, 'record')} of {read:,} would be refused or fail "
            f"({percent(broken / read)}; the limit is {percent(limits.max_broken)})."
        )
    if limits.max_disagreement is not None and tally.differing > limits.max_disagreement * tally.rows:
        yield (
            f"{count(tally.differing, 'row')} of {tally.rows:,} would get another label "
            f"({percent(tally.differing / tally.rows)}; the limit is {percent(limits.max_disagreement)})."
        )
    if evidence.action not in ("promote", "wait"):
        yield from evidence.reasons

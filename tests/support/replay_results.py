"""Results of replays, made without one."""

from datetime import UTC, datetime, timedelta

from lifecycle.replay.replay_result import (
    BrokenRule,
    Calibration,
    CalibrationBin,
    ClassPair,
    ComparedModel,
    DifferingRow,
    Disagreements,
    MatchedOutcomes,
    ModelSpeed,
    ReplayedRecords,
    ReplayedSegment,
    ReplayResult,
)
from service.model.release.release import Metric, Policy
from service.monitoring.evidence.evidence import Difference, Discordance

NOON = datetime(2026, 7, 4, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\u202e"


def unlabelled() -> ReplayResult:
    """Of a log without outcomes, in which nothing would change."""
    return ReplayResult(
        replayed_utc=NOON,
        log="audit.db",
        upto_id=120,
        candidate="iris_classifier:abc",
        candidate_version="7",
        compared=(ComparedModel(tag="iris_classifier:xyz", model_id="0a", records=100),),
        policy=Policy(),
        records=ReplayedRecords(
            records=100, replayed=100, first_received_utc=NOON - timedelta(days=7), last_received_utc=NOON
        ),
        disagreements=Disagreements(rows=100, differing=0, rate=0.0, low=0.0, high=0.03),
        outcomes=MatchedOutcomes(),
        verdict="undecided",
        reasons=("No row that both models predicted has a label yet.",),
    )


def objected() -> ReplayResult:
    """With everything that a result can have, and names that are markup."""
    return unlabelled().model_copy(
        update={
            "records": _records(),
            "broken": _broken(),
            "disagreements": Disagreements(
                rows=280, differing=40, rate=0.143, low=0.1, high=0.19,
                pairs=(ClassPair(compared="setosa", candidate=HOSTILE, rows=40),), examples=(_example(),) * 9,
            ),
            "outcomes": MatchedOutcomes(labelled=130, judged=120, ambiguous=4, not_a_class=2),
            "differences": (_difference("accuracy", 0.9, 0.85, -0.01), _difference("brier", 0.2, 0.25, 0.01)),
            "discordance": Discordance(only_champion_right=9, only_challenger_right=3, e_value=2.5),
            "calibration": _calibration(),
            "segments": tuple(map(_segment, range(12))),
            "speed": (
                ModelSpeed(
                    tag="iris_classifier:abc", runtime="ONNX Runtime 1.32.0", rows_per_second=2e6,
                    microseconds_a_row=0.5, single_row_microseconds=12,
                ),
            ),
            "verdict": "objection",
            "reasons": ("15 records of 295 would be refused or fail (5.1 %; the limit is 0.0 %).",),
        }
    )  # fmt: skip


def _records() -> ReplayedRecords:
    return ReplayedRecords(
        records=300, replayed=280, broken=15, redacted=3, unreadable=2,
        first_received_utc=NOON - timedelta(days=7), last_received_utc=NOON,
    )  # fmt: skip


def _broken() -> tuple[BrokenRule, ...]:
    message, ids = "Input should be less than 2", ("order-1", "order-2")
    return (
        BrokenRule(feature="petal_width", message=message, records=15, request_ids=ids),
        BrokenRule(feature=HOSTILE, message=HOSTILE, records=1, request_ids=(HOSTILE,)),
    )


def _example() -> DifferingRow:
    return DifferingRow(
        request_id="order-7",
        row=3,
        received_utc=NOON,
        features={HOSTILE: "a" * 500, "petal_width": 1.25, "left": None},
        compared="setosa",
        candidate=HOSTILE,
        compared_confidence=0.61,
        candidate_confidence=0.93,
        truth="setosa",
    )


def _difference(metric: Metric, compared: float, candidate: float, high: float) -> Difference:
    return Difference(
        metric=metric, champion=compared, challenger=candidate, difference=-0.05, low=-0.09, high=high,
        labelled=120, is_paired=True,
    )  # fmt: skip


def _calibration() -> Calibration:
    bins = [
        CalibrationBin(rows=40, confidence=share, accuracy=share - 0.05, low=share - 0.2, high=share + 0.05)
        for share in (0.55, 0.75, 0.95)
    ]
    return Calibration(error=0.05, low=0.0, high=0.2, bins=tuple(bins))


def _segment(number: int) -> ReplayedSegment:
    return ReplayedSegment(
        feature="petal_width", values=f"above {number}", rows=100, differing=number, labelled=50,
        compared_accuracy=0.9, candidate_accuracy=0.8, low=0.6, high=0.9,
    )  # fmt: skip

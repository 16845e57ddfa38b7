"""States of releases, with traffic and labelled rows as they are wanted."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from service.model.release.release import Metric, Mode, Policy, Release
from service.monitoring.evidence.evidence_state import (
    EvidenceState,
    ModelRows,
    PairedRows,
    RoleCounts,
    ShadowCounts,
    no_rows,
)

SINCE = datetime(2026, 11, 27, 12, tzinfo=UTC)
TRAFFIC = RoleCounts(
    requests=20_000,
    rows=20_000,
    keys=10_000,
    log_ms_sum=20_000.0,
    log_ms_squares=30_000.0,
    confidence_sum=18_000.0,
)


def release_of(
    mode: Mode = "shadow", *, is_fallback: bool = False, share: float = 0.5, policy: Policy | None = None
) -> Release:
    return Release(
        release_id="0" * 32,
        since_utc=SINCE,
        champion="iris:1",
        challenger=None if mode == "single" else "iris:2",
        mode=mode,
        share=share if mode in {"canary", "ab"} else 0.0,
        is_fallback=is_fallback,
        policy=policy or Policy(),
    )


def policy_of(metric: Metric) -> Policy:
    return Policy(metric=metric)


def rows_of(
    is_right: NDArray[np.bool_], request: NDArray[np.int64] | None = None, confidence: float = 0.9
) -> ModelRows:
    """Rows whose answers all have the same confidence, of two classes."""
    rows = len(is_right)
    truth = np.where(is_right, confidence, 1 - confidence)
    return ModelRows(
        request=np.arange(rows) if request is None else request,
        received_s=np.arange(rows, dtype=np.float64),
        is_right=np.asarray(is_right, dtype=np.bool_),
        confidence=np.full(rows, confidence),
        truth_probability=truth,
        squares=np.full(rows, confidence**2 + (1 - confidence) ** 2),
    )


def pairs_of(wins: int, losses: int, rows: int, both_wrong: float = 0.07) -> PairedRows:
    """Single rows of which the challenger alone has ``wins`` right, and the champion alone ``losses``."""
    gain = np.zeros(rows, dtype=np.int64)
    gain[:wins], gain[wins : wins + losses] = 1, -1
    gain = np.random.default_rng(1).permutation(gain)
    is_tie_right = np.arange(rows) % 100 >= 100 * both_wrong
    return PairedRows(
        rows_of((gain < 0) | ((gain == 0) & is_tie_right)), rows_of((gain > 0) | ((gain == 0) & is_tie_right))
    )


def shadow_state(
    paired: PairedRows | None = None,
    *,
    release: Release | None = None,
    challenger: RoleCounts = TRAFFIC,
    champion: RoleCounts = TRAFFIC,
    shadow: ShadowCounts | None = None,
) -> EvidenceState:
    counts = shadow or ShadowCounts(
        20_000, 20_000, 400, 200.0, 40.0, (("setosa", "virginica", 300), ("virginica", "setosa", 100))
    )
    return EvidenceState(
        release=release or release_of(),
        champion=champion,
        challenger=challenger,
        shadow=counts,
        paired=paired or PairedRows(no_rows(), no_rows()),
        champion_rows=no_rows(),
        challenger_rows=no_rows(),
        read_upto_id=40_000,
    )


def routed_state(
    champion_rows: ModelRows,
    challenger_rows: ModelRows,
    *,
    release: Release | None = None,
    champion: RoleCounts = TRAFFIC,
    challenger: RoleCounts = TRAFFIC,
) -> EvidenceState:
    return EvidenceState(
        release=release or release_of("ab"),
        champion=champion,
        challenger=challenger,
        shadow=ShadowCounts(),
        paired=PairedRows(no_rows(), no_rows()),
        champion_rows=champion_rows,
        challenger_rows=challenger_rows,
        read_upto_id=40_000,
    )


def share_right(share: float, rows: int) -> ModelRows:
    """Single rows with as many right, spread evenly."""
    return rows_of(np.diff(np.floor(share * np.arange(rows + 1))) > 0)

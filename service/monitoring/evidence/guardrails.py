"""The limits that end a release, each with an interval that is valid at every look.

A guardrail is broken when its whole interval is beyond the limit, so not by chance. The intervals of the four
have the same level: what they may be wrong together is half of the policy's alpha (see ``policy_action``).

In shadow there is no latency guardrail: the challenger's duration is of its prediction alone, after the
answer has left, and the champion's is of the whole request with its wait in the queue. And there is no split.
"""

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np

from service.monitoring.evidence.asymptotic_sequence import asymptotic_margin
from service.monitoring.evidence.clustered_sums import PRIOR_REQUESTS, clustered_sums, variance_of_mean
from service.monitoring.evidence.evidence import Guardrail
from service.monitoring.evidence.evidence_state import EvidenceState, ModelRows, RoleCounts
from service.monitoring.evidence.split_check import assigned_share, split_evidence
from service.monitoring.quality.share_sequence import Estimate, share_interval

NUMBER = 4
"""Of guardrails, among which the error is divided."""


def guardrails(state: EvidenceState, alpha: float) -> tuple[Guardrail, ...]:
    """Those that apply to the release's mode and have data; each is wrong with probability alpha at most."""
    return tuple(_guardrails(state, alpha))


def _guardrails(state: EvidenceState, alpha: float) -> Iterator[Guardrail]:
    policy, is_routed = state.release.policy, state.release.is_routed
    if is_routed and (split := _split(state, alpha)) is not None:
        yield split
    if (more := failure_increase(state.champion, state.challenger, alpha)) is not None:
        limit = policy.max_failure_increase
        points = Estimate(*(100 * each for each in more))
        text = _text("Points more of the requests fail:", points, "{:+.2f}", f"{100 * limit:+.2f}")
        yield _guardrail("failures", more, limit, text)
    if is_routed and (ratio := latency_ratio(state.champion, state.challenger, alpha)) is not None:
        limit = policy.max_latency_ratio
        text = _text("The challenger's duration over the champion's is", ratio, "{:.2f}", f"{limit:.2f}")
        yield _guardrail("latency", ratio, limit, text)
    rows = state.challenger_rows if is_routed else state.paired.challenger
    if (gap := calibration(rows, alpha)) is not None:
        limit = policy.max_calibration_gap
        text = _text("The challenger's mean confidence is off its accuracy by", gap, "{:.3f}", f"{limit:.3f}")
        yield _guardrail("calibration", gap, limit, text)


def failure_increase(champion: RoleCounts, challenger: RoleCounts, alpha: float) -> Estimate | None:
    """Challenger's minus champion's share of failed requests; None before both have requests.

    The ends are those of two exact sequences. It holds also for the same requests, as in shadow.
    """
    ends = []
    for role in (champion, challenger):
        total = role.requests + role.failed_requests
        if not total:
            return None
        low, high = share_interval(role.failed_requests, total, alpha / 2)
        ends.append(Estimate(role.failed_requests / total, float(low), float(high)))
    before, after = ends
    return Estimate(after.value - before.value, after.low - before.high, after.high - before.low)


def latency_ratio(champion: RoleCounts, challenger: RoleCounts, alpha: float) -> Estimate | None:
    """Of the geometric means of the durations; None before both have requests.

    Durations are compared by their logarithms, so that a few long ones do not decide.
    """
    if not champion.requests or not challenger.requests:
        return None
    variance = 0.0
    for role in (champion, challenger):
        mean, number = role.log_ms_sum / role.requests, role.requests
        spread = max(role.log_ms_squares / number - mean**2, 0.0)
        variance += (spread + PRIOR_REQUESTS / number) / number
    middle = challenger.log_ms_sum / challenger.requests - champion.log_ms_sum / champion.requests
    balanced = 4 * champion.requests * challenger.requests / (champion.requests + challenger.requests)
    margin = float(asymptotic_margin(variance, balanced, alpha))
    # A ratio that is not known has a finite end: JSON has no infinity.
    return Estimate(
        *(math.exp(min(max(end, -700.0), 700.0)) for end in (middle, middle - margin, middle + margin))
    )


def calibration(rows: ModelRows, alpha: float) -> Estimate | None:
    """The distance of mean confidence and accuracy; None without probabilities."""
    known = np.isfinite(rows.confidence)
    if not known.any():
        return None
    sums = clustered_sums(rows.confidence[known] - rows.is_right[known], rows.request[known])
    gap, margin = (
        float(sums.mean),
        float(asymptotic_margin(variance_of_mean(sums, 1.0), sums.requests, alpha)),
    )
    return Estimate(abs(gap), max(abs(gap) - margin, 0.0), min(abs(gap) + margin, 1.0))


def _split(state: EvidenceState, alpha: float) -> Guardrail | None:
    share, keys = assigned_share(state.release), state.champion.keys + state.challenger.keys
    if not keys:
        return None
    low, high = share_interval(state.challenger.keys, keys, alpha)
    estimate = Estimate(state.challenger.keys / keys, float(low), float(high))
    evidence = split_evidence(state.challenger.keys, state.champion.keys, share)
    return Guardrail(
        name="split",
        is_broken=bool(evidence >= math.log(1 / alpha)),
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        limit=share,
        text=(
            f"The challenger has {state.challenger.keys:,} of {keys:,} keys, "
            f"a share of {estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]; "
            f"it is assigned {share:.4f}."
        ),
    )


def _guardrail(
    name: Literal["failures", "latency", "calibration"], of: Estimate, limit: float, text: str
) -> Guardrail:
    return Guardrail(
        name=name, is_broken=of.low > limit, value=of.value, low=of.low, high=of.high, limit=limit, text=text
    )


def _text(start: str, of: Estimate, form: str, limit: str) -> str:
    value, low, high = (form.format(each) for each in of)
    return f"{start} {value} [{low}, {high}]; the limit is {limit}."

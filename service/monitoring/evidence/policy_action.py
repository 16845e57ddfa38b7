"""What the policy recommends, from the interval of its metric and the guardrails.

The policy's alpha is the largest probability of a false verdict at any look. It is divided: each end of the
interval of the difference has half of it, and the guardrails share one half. A challenger that is worse by
the margin is promoted with probability alpha / 2 at most; one that is no worse, and keeps the limits, is
rolled back with alpha at most: half by the difference, half by the guardrails.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from service.monitoring.evidence.evidence import Action, Difference, Guardrail
from service.monitoring.evidence.evidence_state import EvidenceState
from service.monitoring.evidence.guardrails import NUMBER

LEAST_KEYS = 30
"""Keys of each model without which canary and ab are not judged by labels: with few, the difference of the
models is that of the subjects that they got."""


class Recommendation(NamedTuple):
    """What to do, why, and while there is nothing to do, what is missing."""

    action: Action
    reasons: tuple[str, ...] = ()
    needed: str = ""


def difference_alpha(alpha: float) -> float:
    """Of the interval of the difference, both ends together."""
    return alpha


def guardrail_alpha(alpha: float) -> float:
    """Of each guardrail."""
    return alpha / 2 / NUMBER


def recommendation(
    state: EvidenceState, difference: Difference, guardrails: Sequence[Guardrail], now: datetime
) -> Recommendation:
    """Of a release with a challenger; ``difference`` is of the policy's metric."""
    if state.release.is_fallback:
        return _of_fallback(state, difference, now)
    broken = [guardrail for guardrail in guardrails if guardrail.is_broken]
    split = [guardrail.text for guardrail in broken if guardrail.name == "split"]
    if split:
        why = "The split is not as assigned, so no figure counts."
        return Recommendation("freeze", (why, *split))
    reasons = [guardrail.text for guardrail in broken]
    missing = tuple(_missing(state, difference))
    if difference.high is not None and difference.high < 0 and not _few_keys(state):
        reasons.append(f"{interval_text(difference)} is below 0: the challenger is worse.")
    if reasons:
        return Recommendation("roll_back", tuple(reasons))
    if missing:
        return Recommendation("wait", needed=" ".join(missing))
    bound = f"{-state.release.policy.margin:+.4f}"
    return Recommendation(
        "promote",
        (
            f"{interval_text(difference)} is above {bound}, the margin of the policy.",
            f"{difference.labelled:,} labelled rows; no guardrail is broken.",
        ),
    )


def interval_text(difference: Difference) -> str:
    """The difference with its interval."""
    name = difference.metric.replace("_", " ")
    return (
        f"The difference in {name}, {difference.difference:+.4f} "
        f"[{difference.low:+.4f}, {difference.high:+.4f}],"
    )


def _of_fallback(state: EvidenceState, difference: Difference, now: datetime) -> Recommendation:
    """The challenger is the former champion: it is to come back if it is better."""
    if difference.low is not None and difference.low > 0:
        why = f"{interval_text(difference)} is above 0: the former champion is better."
        return Recommendation("roll_back", (why,))
    hours = state.release.policy.fallback_hours
    left = state.release.since_utc + timedelta(hours=hours) - now
    if left <= timedelta(0):
        why = f"The former champion has been in shadow for {hours:g} h, and is not found to be better."
        return Recommendation("end_fallback", (why,))
    text = f"The former champion stays in shadow for {left.total_seconds() / 3600:.1f} h more."
    return Recommendation("wait", needed=text)


def _missing(state: EvidenceState, difference: Difference) -> Iterator[str]:
    """What a promotion lacks, the first thing first; nothing if it lacks nothing."""
    policy, routed = state.release.policy, state.release.is_routed
    if routed and not state.release.share:
        yield "The challenger's share is 0: it answers no request."
    elif not state.challenger.requests:
        yield "The challenger has answered no request yet."
    elif not difference.labelled and _labelled(state):
        yield f"{difference.metric} needs probabilities; the labelled answers have none."
    elif difference.low is None:
        yield _without_difference(state, difference)
    else:
        if _few_keys(state):
            yield (
                f"Each model needs {LEAST_KEYS} keys; the champion has {state.champion.keys:,}, "
                f"the challenger {state.challenger.keys:,}."
            )
        if difference.labelled < policy.min_labels:
            yield f"{difference.labelled:,} of {policy.min_labels:,} labelled rows."
        if difference.low <= -policy.margin:
            yield f"The lower end, {difference.low:+.4f}, must be above {-policy.margin:+.4f}: more labels."


def _without_difference(state: EvidenceState, difference: Difference) -> str:
    if state.release.mode == "shadow":
        return "No row that both models predicted has a label yet."
    if difference.champion is None and difference.challenger is None:
        return "No row has a label yet."
    return f"No row of the {'champion' if difference.champion is None else 'challenger'} has a label yet."


def _labelled(state: EvidenceState) -> int:
    if state.release.mode == "shadow":
        return len(state.paired.champion.is_right)
    return len(state.champion_rows.is_right) + len(state.challenger_rows.is_right)


def _few_keys(state: EvidenceState) -> bool:
    return state.release.is_routed and min(state.champion.keys, state.challenger.keys) < LEAST_KEYS

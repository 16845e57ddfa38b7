"""From the state of a release to its evidence: the one function that decides."""

import math
from datetime import datetime

from service.monitoring.evidence.disagreement import disagreement
from service.monitoring.evidence.discordant_pairs import discordance
from service.monitoring.evidence.evidence import Evidence, RoleTraffic
from service.monitoring.evidence.evidence_state import EvidenceState, RoleCounts
from service.monitoring.evidence.gains import gains
from service.monitoring.evidence.guardrails import guardrails
from service.monitoring.evidence.policy_action import difference_alpha, guardrail_alpha, recommendation


def assess_evidence(state: EvidenceState, now: datetime) -> Evidence:
    """What is known of the release at this look; a later look with the same state says the same.

    A fallback has no guardrails: they are about a challenger that is to take over.
    """
    release, alpha = state.release, state.release.policy.alpha
    head = Evidence(
        assessed_utc=now,
        release=release,
        read_upto_id=state.read_upto_id,
        champion=_traffic(state.champion),
        challenger=_traffic(state.challenger),
        needed="" if release.challenger else "There is no challenger.",
    )
    if release.challenger is None:
        return head
    is_shadow = release.mode == "shadow"
    differences = gains(state, difference_alpha(alpha))
    limits = () if release.is_fallback else guardrails(state, guardrail_alpha(alpha))
    found = recommendation(state, differences[0], limits, now)
    return head.model_copy(
        update={
            "differences": differences,
            "discordance": discordance(state.paired) if is_shadow else None,
            "disagreement": disagreement(state.shadow, alpha) if is_shadow else None,
            "guardrails": limits,
            **found._asdict(),
        }
    )


def _traffic(counts: RoleCounts) -> RoleTraffic:
    mean_ms = math.exp(counts.log_ms_sum / counts.requests) if counts.requests else None
    confidence = counts.confidence_sum / counts.rows if counts.rows else 0.0
    return RoleTraffic(
        requests=counts.requests,
        rows=counts.rows,
        failed_requests=counts.failed_requests,
        flagged_rows=counts.flagged_rows,
        keys=counts.keys,
        mean_ms=mean_ms,
        # Answers without probabilities add nothing, or no number.
        mean_confidence=confidence if confidence and math.isfinite(confidence) else None,
    )

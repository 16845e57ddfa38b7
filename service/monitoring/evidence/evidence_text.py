"""The evidence as text, for ``python -m service.releases evidence``, and as the detail of an act."""

from collections.abc import Iterator

from service.model.release.release import Metric
from service.monitoring.evidence.evidence import Action, Difference, Evidence, RoleTraffic
from service.monitoring.report import wording
from service.monitoring.report.text_table import text_table

_MOST_EXAMPLES = 3
_COMMAND = "python -m service.releases"
_NAMES: dict[Metric, str] = {"accuracy": "accuracy", "brier": "Brier score", "log_loss": "log loss"}
_ACTIONS: dict[Action, str] = {
    "wait": "Wait.",
    "promote": "Recommended: promote the challenger.",
    "roll_back": "Recommended: roll back.",
    "freeze": "Recommended: roll back, and find out why the split is not as assigned.",
    "end_fallback": "Recommended: end the fallback.",
}
_COMMANDS: dict[Action, str] = {
    "promote": f'{_COMMAND} promote --reason "..."',
    "roll_back": f'{_COMMAND} rollback --reason "..."',
    "freeze": f'{_COMMAND} rollback --reason "..."',
    "end_fallback": f'{_COMMAND} stop --reason "..."',
}


def evidence_text(evidence: Evidence) -> str:
    """The lines, without figures that do not exist."""
    parts = [
        _head(evidence),
        _traffic(evidence),
        _differences(evidence),
        _disagreement(evidence),
        _guardrails(evidence),
        _recommendation(evidence),
    ]
    return "\n\n".join("\n".join(lines) for part in parts if (lines := [*part])) + "\n"


def evidence_summary(evidence: Evidence) -> str:
    """The release, and what is recommended: the first and the last lines."""
    return "\n".join([*_head(evidence), *_recommendation(evidence)])


def evidence_brief(evidence: Evidence) -> dict[str, object]:
    """What an entry of the ledger keeps: the policy's metric, and what follows from it."""
    first = evidence.differences[0] if evidence.differences else None
    return {
        "metric": evidence.release.policy.metric,
        "difference": first.difference if first else None,
        "low": first.low if first else None,
        "high": first.high if first else None,
        "labelled": first.labelled if first else 0,
        "read_upto_id": evidence.read_upto_id,
        "action": evidence.action,
        "reasons": list(evidence.reasons) or ([evidence.needed] if evidence.needed else []),
    }


def _head(evidence: Evidence) -> Iterator[str]:
    release = evidence.release
    against = f", challenger {wording.shown(release.challenger)}" if release.challenger else ""
    yield f"Champion {wording.shown(release.champion)}{against}"
    mode = "shadow, after a promotion" if release.is_fallback else release.mode
    share = f" with {wording.percent(release.share)} of the keys" if release.is_routed else ""
    age = wording.duration((evidence.assessed_utc - release.since_utc).total_seconds())
    yield (
        f"{mode}{share}, since {wording.moment(release.since_utc)} UTC ({age}); "
        f"read up to record {evidence.read_upto_id:,}"
    )


def _traffic(evidence: Evidence) -> Iterator[str]:
    if evidence.release.challenger is None:
        return
    head = ("Traffic", "requests", "rows", "failed", "flagged", "keys", "ms", "confidence")
    rows = [head, _role("champion", evidence.champion), _role("challenger", evidence.challenger)]
    if not evidence.release.is_routed:
        rows = [(*row[:5], *row[6:]) for row in rows]
    yield from text_table(rows)
    if not evidence.release.is_routed:
        yield "  The challenger's ms are of its prediction alone, the champion's of whole requests"


def _role(name: str, role: RoleTraffic) -> tuple[str, ...]:
    counts = (role.requests, role.rows, role.failed_requests, role.flagged_rows, role.keys)
    ms = wording.NONE if role.mean_ms is None else f"{role.mean_ms:.2f}"
    return name, *(f"{each:,}" for each in counts), ms, wording.figure(role.mean_confidence)


def _differences(evidence: Evidence) -> Iterator[str]:
    if not any(each.labelled for each in evidence.differences):
        return
    level = f"{100 * (1 - evidence.release.policy.alpha):g} %"
    what = "pairs" if evidence.differences[0].is_paired else "two samples"
    yield f"Challenger minus champion, of {what}; above 0 the challenger is better ({level} at every look)"
    head = ("", "champion", "challenger", "difference", "interval", "labelled")
    yield from text_table([head, *map(_difference, evidence.differences)])
    if (pairs := evidence.discordance) is not None:
        yield (
            f"  Only the challenger is right in {pairs.only_challenger_right:,}, only the champion in "
            f"{pairs.only_champion_right:,}; McNemar's e-value is {pairs.e_value:.3g}"
        )


def _difference(of: Difference) -> tuple[str, ...]:
    change = wording.NONE if of.difference is None else f"{of.difference:+.4f}"
    models = (wording.figure(of.champion), wording.figure(of.challenger))
    return _NAMES[of.metric], *models, change, _interval(of.low, of.high), f"{of.labelled:,}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{low:+.4f}, {high:+.4f}]"


def _disagreement(evidence: Evidence) -> Iterator[str]:
    found = evidence.disagreement
    if found is None or found.rate is None or found.low is None or found.high is None:
        return
    low, high = wording.percent(found.low), wording.percent(found.high)
    yield (
        f"Without labels: the models differ in {wording.percent(found.rate)} [{low}, {high}] of "
        f"{wording.count(found.rows, 'row')}"
    )
    if found.confidence_difference is not None:
        bounds = _interval(found.confidence_low, found.confidence_high)
        yield f"  The challenger's confidence differs by {found.confidence_difference:+.4f} {bounds}"
    for champion, challenger, rows in found.examples[:_MOST_EXAMPLES]:
        yield f"  {wording.shown(champion)} -> {wording.shown(challenger)}: {wording.count(rows, 'row')}"


def _guardrails(evidence: Evidence) -> Iterator[str]:
    if evidence.guardrails:
        yield "Guardrails"
        rows = [
            (
                each.name,
                "BROKEN" if each.is_broken else "ok",
                wording.shown(each.text, wording.MAX_SENTENCE),
            )
            for each in evidence.guardrails
        ]
        yield from text_table(rows)


def _recommendation(evidence: Evidence) -> Iterator[str]:
    yield f"{_ACTIONS[evidence.action]} {wording.shown(evidence.needed, wording.MAX_SENTENCE)}".rstrip()
    yield from (f"  {wording.shown(reason, wording.MAX_SENTENCE)}" for reason in evidence.reasons)
    if (command := _COMMANDS.get(evidence.action)) is not None:
        yield f"  {command}"

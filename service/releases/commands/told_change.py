"""A change that a command makes, and what it says of it."""

import sys
from typing import Any, NamedTuple

from pydantic_core import to_json

from service.audit.act import Actor
from service.model.release.release import Release
from service.releases.awaited_decision import Decision, await_decision
from service.releases.made_change import make_change
from service.releases.present_release import Present
from service.releases.release_acts import Change
from service.releases.release_watch import described
from service.releases.wanted_release import is_overridden, take_back

NOT_IN_FORCE = 1
"""The exit code."""


class Wish(NamedTuple):
    """What a person at a shell wants."""

    actor: Actor
    reason: str
    wait_s: float
    as_json: bool


def make_and_tell(
    present: Present,
    action: Change,
    release: Release,
    wish: Wish,
    *,
    evidence: dict[str, Any] | None = None,
    is_forced: bool = False,
) -> int:
    """Make the change, wait for the workers, and write what became of it; returns the exit code.

    A release that the workers refuse is taken back.
    """
    made = make_change(
        present, action, release, wish.actor, wish.reason, evidence=evidence, is_forced=is_forced
    )
    decision = await_decision(present.places, made, wish.wait_s)
    if decision.reasons:
        in_force = None if present.accepted is None else present.accepted.release
        take_back(present.places, made, present.wanted if not present.refused else in_force)
    sys.stdout.write(_as_json(made, decision) if wish.as_json else _text(present, made, decision))
    return 0 if decision.is_made and not decision.reasons else NOT_IN_FORCE


def _text(present: Present, made: Release, decision: Decision) -> str:
    what = described(made)
    if decision.reasons:
        reasons = "".join(f"  {reason}\n" for reason in decision.reasons)
        return f"Refused, and nothing has changed:\n{reasons}"
    if not decision.workers:
        lines = [f"{what}. No worker runs: it takes effect at the next start."]
    elif decision.is_made:
        workers = "1 worker serves" if decision.workers == 1 else f"{decision.workers} workers serve"
        lines = [f"{what}. {workers} it."]
    else:
        lines = [
            f"{what}. {decision.serving} of {decision.workers} workers serve it so far; look again with "
            "`python -m service.releases show`."
        ]
    if present.wanted is not None and is_overridden(present.places, present.wanted):
        lines.append(
            f"{present.places.file} is read-only: the change takes effect on this machine alone, until the "
            "file is changed."
        )
    return "".join(f"{line}\n" for line in lines)


def _as_json(made: Release, decision: Decision) -> str:
    content = {
        "release": made.model_dump(mode="json"),
        "in_force": bool(decision.workers) and decision.is_made and not decision.reasons,
        "workers": decision.workers,
        "serving": decision.serving,
        "reasons": decision.reasons,
    }
    return to_json(content, indent=2).decode() + "\n"

"""The acts of releases in the ledger: a command's or the service's change, and what became of it."""

from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal

from pydantic_core import from_json

from service.audit.act import SERVICE, Act, Actor, make_act
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.file.tail import ActConflict
from service.audit.write.single_act import append_act
from service.model.release.release import Release

Change = Literal["shadow", "canary", "ab", "promote", "rollback", "stop"]

IN_FORCE = "in_force"
"""The action of the act that all workers took a release; monitoring and aliases follow it alone."""

_DECISION = "SELECT detail_json FROM ledger WHERE act_id IN (?, ?) ORDER BY seq LIMIT 1"


def change_act(
    action: Change,
    release: Release,
    before: Release | None,
    actor: Actor,
    reason: str,
    evidence: dict[str, object] | None = None,
    *,
    is_forced: bool = False,
) -> Act:
    """The act of a change, which is committed before the release file is replaced."""
    detail: dict[str, object] = {
        "action": action,
        "release": release.model_dump(mode="json"),
        "before": None if before is None else before.model_dump(mode="json"),
        "evidence": evidence,
    }
    if is_forced:
        detail["forced"] = True
    return make_act("release", actor, detail, reason=reason)


def state_in_force(log: Path, number: int, release: Release, workers: int) -> None:
    """State that all workers take a release, once; raises AuditUnusable."""
    detail: dict[str, object] = {
        "action": IN_FORCE,
        "release": release.model_dump(mode="json"),
        "workers": workers,
    }
    with suppress(ActConflict):  # Stated before, with another number of workers.
        append_act(log, make_act("release", SERVICE, detail, act_id=_in_force_id(number, release)))


def state_refused(log: Path, after: int, release: Release, reasons: Sequence[str]) -> None:
    """State that the workers refused a release after that number, once; raises AuditUnusable."""
    detail: dict[str, object] = {
        "action": "refused",
        "release": release.model_dump(mode="json"),
        "reasons": list(reasons),
    }
    with suppress(ActConflict):  # Stated before, with other reasons.
        append_act(log, make_act("release", SERVICE, detail, act_id=_refused_id(after, release)))


def stated_decision(log: Path, after: int, release: Release) -> dict[str, Any] | None:
    """What the ledger states of the workers' decision after that number, if they made it.

    It is the detail of an act, with its action and the reasons of a refusal. Raises AuditUnusable.
    """
    ids = _in_force_id(after + 1, release), _refused_id(after, release)
    with closing(open_for_reading(log)) as connection, errors_as_unusable(log):
        detail: str | None = connection.execute(_DECISION, ids).get
    return None if detail is None else from_json(detail)


def _in_force_id(number: int, release: Release) -> str:
    """A decision is stated once, also if the worker that made it died before it was known."""
    return f"release:{number}:{release.release_id}"


def _refused_id(after: int, release: Release) -> str:
    return f"release:{after}:{release.release_id}:refused"

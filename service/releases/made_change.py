"""A change of the release: the ledger states it, then the file is replaced."""

from typing import Any

from service.audit.act import Actor
from service.audit.write.single_act import append_act
from service.model.release.release import Release
from service.releases.present_release import Present
from service.releases.release_acts import Change, change_act
from service.releases.wanted_release import change


def make_change(
    present: Present,
    action: Change,
    release: Release,
    actor: Actor,
    reason: str,
    *,
    evidence: dict[str, Any] | None = None,
    is_forced: bool = False,
) -> Release:
    """Make the release the wanted one; returns it with who changed it, and why.

    Raises ReleaseChanged if it was changed since ``present`` was read, ReleaseUnusable or AuditUnusable.
    """
    made = release.model_copy(update={"reason": reason, "changed_by": actor.name})
    before = present.wanted or (None if present.accepted is None else present.accepted.release)
    act = change_act(action, made, before, actor, reason, evidence, is_forced=is_forced)
    change(
        present.places,
        made,
        instead_of=None if present.wanted is None else present.wanted.release_id,
        state=lambda: append_act(present.places.log, act),
    )
    return made

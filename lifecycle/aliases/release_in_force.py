"""The release that is in force, as the ledger of the log states it, and the champion that follows from it."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from service.audit.query.acts import logged_acts
from service.errors import ModelNotPublished
from service.model.published import resolve_tag
from service.model.release.release import Release, Tag
from service.releases.release_acts import IN_FORCE

ACT = "release"


def releases_in_force(log: Path, name: str) -> Iterator[Release]:
    """The releases of a model's name that all workers took, oldest first; raises AuditUnusable."""
    for act in logged_acts(log, kind=ACT):
        if act.detail.get("action") != IN_FORCE:
            continue
        try:
            release = Release.model_validate(act.detail.get("release"))
        except ValidationError:  # Of a later version.
            continue
        if release.name == name:
            yield release


def release_in_force(log: Path | None, name: str) -> Release | None:
    """The last of them; None if there is none, as for a service that serves one model."""
    if log is None:
        return None
    last = None
    for release in releases_in_force(log, name):
        last = release
    return last


def champion_of(name: str, in_force: Release | None) -> Tag | None:
    """The tag of the champion: that of the release, else what the name stands for; None if there is none."""
    if in_force is not None:
        return in_force.champion
    try:
        return resolve_tag(name)
    except ModelNotPublished:
        return None

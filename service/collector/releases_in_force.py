"""Which release was in force at each place of the log, and which model it gave a request to."""

from bisect import bisect_left
from collections.abc import Iterable

from service.audit.file.logged_record import LoggedRecord
from service.collector.named_version import names_version
from service.model.release.assignment import assigned_role
from service.model.release.release import Release, Role
from service.monitoring.store.release_writer import ReleaseWriter


class ReleasesInForce:
    """The releases of one log, kept in the file of monitoring."""

    def __init__(self, store: ReleaseWriter) -> None:
        self._store = store
        self._ids: list[int] = []
        self._releases: list[Release] = []
        self._first_ids: dict[str, int] = {}
        self._by_id: dict[str, Release] = {}
        for act_id, release in store.in_force():
            self._note(act_id, release)

    def begin(self, acts: Iterable[tuple[int, Release]]) -> None:
        """Add releases that came into force, in order, within a transaction of the store."""
        for act_id, release in acts:
            if self._ids and act_id <= self._ids[-1]:
                continue  # Of a transaction that was not committed.
            self._store.come_into_force(act_id, release)
            self._note(act_id, release)

    @property
    def has_shadow(self) -> bool:
        """Whether any of them is in shadow."""
        return any(release.mode == "shadow" for release in self._by_id.values())

    def at(self, record_id: int) -> Release | None:
        """The release that was in force when a record was written."""
        place = bisect_left(self._ids, record_id)
        return self._releases[place - 1] if place else None

    def assigned_by(self, record: LoggedRecord, tag: str) -> str | None:
        """The id of the release in canary or ab that assigned a request to the model of this tag."""
        release = self.at(record.id)
        is_assigned = release is not None and release.is_routed and role_of(record, tag, release) is not None
        return release.release_id if release is not None and is_assigned else None

    def shadow(self, release_id: str, record_id: int) -> Release | None:
        """A release in shadow by its id, if it had come into force before the record."""
        release = self._by_id.get(release_id)
        is_of_it = release is not None and release.mode == "shadow"
        return release if is_of_it and self._first_ids[release_id] < record_id else None

    def _note(self, act_id: int, release: Release) -> None:
        self._ids.append(act_id)
        self._releases.append(release)
        self._first_ids.setdefault(release.release_id, act_id)
        self._by_id.setdefault(release.release_id, release)


def role_of(record: LoggedRecord, tag: str, release: Release) -> Role | None:
    """The role in which a model got a request; None if it was not the release that decided it.

    In canary and ab, these are requests that named a version, and those that another release had assigned
    when they began.
    """
    role: Role = "champion" if tag == release.champion else "challenger"
    if not release.is_routed:
        return role if role == "champion" else None
    if role == "challenger" and tag != release.challenger:
        return None
    if not record.has_content or names_version(record):  # A redacted record has lost its subject.
        return None
    return role if assigned_role(release.salt, key_of(record, release), release.share) == role else None


def key_of(record: LoggedRecord, release: Release) -> str:
    """What the assignment of a record depends on."""
    return record.subject if record.subject is not None and release.key == "subject" else record.request_id

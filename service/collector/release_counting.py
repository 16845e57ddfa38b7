"""The traffic of the models of a release, counted from the records since it came into force."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from service.audit.columns import ANSWERED, OUTCOME, SHADOWED
from service.audit.file.logged_record import LoggedRecord
from service.collector.log_records import Chunk
from service.collector.record_rows import ReadRows
from service.collector.releases_in_force import ReleasesInForce, role_of
from service.collector.shadow_counting import ShadowCounting
from service.collector.subject_number import subject_number
from service.model.release.release import ROLES, Release, Role
from service.monitoring.evidence.evidence_state import RoleCounts
from service.monitoring.store.release_tables import in_units, log_ms
from service.monitoring.store.release_writer import ReleaseWriter

MOST_KEYS = 200_000
"""Different subjects that are counted of a release; those after them are not. What the models get of the
first ones is as random as what they get of all."""

ByRole = Mapping[Role, Sequence[LoggedRecord]]


class ReleaseCounting:
    """Counts the traffic of the releases of one log."""

    def __init__(self, store: ReleaseWriter, releases: ReleasesInForce, tag_of: Callable[[str], str]) -> None:
        """Take a function that gives the tag of a model id."""
        self._store, self._releases, self._tag_of = store, releases, tag_of
        self._shadows = ShadowCounting(store, releases)

    def count(self, chunk: Chunk, reads: Iterable[ReadRows]) -> None:
        """Count a chunk, of which some rows were read, within a transaction of the store."""
        requests = [each for each in chunk.records if each.status not in (OUTCOME, SHADOWED)]
        confidences = Confidences(reads)
        for release, records in self._spans(requests):
            by_role = self._by_role(release, records)
            keys = self._new_keys(release, records, by_role)
            for role, of_role in by_role.items():
                counts = _counts(of_role)
                counts = counts._replace(keys=keys[role], **confidences.sums(of_role))
                self._store.add_role(release.release_id, role, counts)
        self._shadows.count([each for each in chunk.records if each.status == SHADOWED])

    def _spans(self, records: Sequence[LoggedRecord]) -> list[tuple[Release, list[LoggedRecord]]]:
        """The records of each release that has a challenger."""
        spans: dict[str, tuple[Release, list[LoggedRecord]]] = {}
        for record in records:
            release = self._releases.at(record.id)
            if release is not None and release.challenger is not None:
                spans.setdefault(release.release_id, (release, []))[1].append(record)
        return [*spans.values()]

    def _by_role(self, release: Release, records: Sequence[LoggedRecord]) -> ByRole:
        by_role: dict[Role, list[LoggedRecord]] = {}
        for record in records:
            role = role_of(record, self._tag_of(record.model_id), release)
            if role is not None:
                by_role.setdefault(role, []).append(record)
        return by_role

    def _new_keys(
        self, release: Release, records: Sequence[LoggedRecord], by_role: ByRole
    ) -> Mapping[Role, int]:
        """How many keys of each role were not counted before; a request without a subject is one."""
        counts = dict.fromkeys(ROLES, 0)
        if not release.is_routed:
            return counts
        roles: dict[int, Role] = {}
        for role, of_role in by_role.items():
            for record in of_role:
                if record.subject is None or release.key != "subject":
                    counts[role] += 1
                else:
                    roles[subject_number(record.subject)] = role
        if roles:
            # In the order of the log: which are the first ones does not depend on the chunks.
            keys = dict.fromkeys(subject_number(each.subject) for each in records if each.subject is not None)
            in_order = [key for key in keys if key in roles]
            for key in self._store.new_keys(release.release_id, in_order, MOST_KEYS):
                counts[roles[key]] += 1
        return counts


class Confidences:
    """The confidences of the rows that were read of a chunk."""

    def __init__(self, reads: Iterable[ReadRows]) -> None:
        self._parts: dict[int, NDArray[np.float64]] = {}
        self._reads = [*reads]

    def sums(self, records: Sequence[LoggedRecord]) -> dict[str, int]:
        """The members of the counts of some records."""
        ids = np.array([record.id for record in records])
        chosen = [_of_records(read, ids) for read in self._reads]
        values = np.concatenate(chosen) if chosen else np.empty(0)
        values = values[~np.isnan(values)]
        return {
            "confidence_sum": in_units(values),
            "confidence_squares": in_units(np.square(values)),
        }


def _of_records(read: ReadRows, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    is_chosen = np.isin([record.id for record in read.records], ids)
    rows = np.diff(np.array(read.ends), prepend=0)
    return read.counted.confidence[np.repeat(is_chosen, rows)]


def _counts(records: Sequence[LoggedRecord]) -> RoleCounts:
    """What the columns of records tell."""
    answered = [record for record in records if record.status == ANSWERED]
    logarithms = log_ms([record.duration_ms for record in answered])
    return RoleCounts(
        requests=len(answered),
        failed_requests=len(records) - len(answered),
        rows=sum(record.rows for record in answered),
        flagged_rows=sum(record.flags for record in answered),
        log_ms_sum=in_units(logarithms),
        log_ms_squares=in_units(np.square(logarithms)),
    )

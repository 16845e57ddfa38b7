"""What the file of monitoring holds of releases, read for their evidence."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import apsw
import numpy as np

from service.audit.act import SERVICE
from service.model.release.release import ROLES, Release, Role
from service.monitoring.assessment import AutomaticChange
from service.monitoring.evidence.evidence_state import (
    EvidenceState,
    ModelRows,
    PairedRows,
    RoleCounts,
    ShadowCounts,
    no_rows,
)
from service.monitoring.store.release_tables import SUM_UNIT

_SUMS = frozenset(
    {
        "log_ms_sum",
        "log_ms_squares",
        "confidence_sum",
        "confidence_squares",
        "confidence_difference_sum",
        "confidence_difference_squares",
    }
)
_IN_FORCE = """
    SELECT in_force.id, release_json FROM in_force JOIN release USING (release_id) ORDER BY in_force.id
"""
_LAST = """
    SELECT release_json FROM in_force JOIN release USING (release_id) ORDER BY in_force.id DESC LIMIT ?
"""
_ROLE = f"SELECT {', '.join(RoleCounts._fields)} FROM release_role WHERE (release_id, role) = (?, ?)"  # noqa: S608
_SHADOW_FIELDS = ShadowCounts._fields[:-1]
_SHADOW = f"SELECT {', '.join(_SHADOW_FIELDS)} FROM release_shadow WHERE release_id = ?"  # noqa: S608
_DISAGREEMENTS = """
    SELECT champion, challenger, rows FROM release_disagreement WHERE release_id = ?
    ORDER BY rows DESC, champion, challenger
"""
_ASSIGNED = """
    SELECT coalesce(subject, prediction), received_s, predicted = truth, confidence, truth_probability,
           squares
    FROM known_row JOIN model USING (model_id)
    WHERE release_id = ? AND truth IS NOT NULL AND tag = ? ORDER BY prediction, row
"""
_PAIRED = """
    SELECT coalesce(known.subject, known.prediction), known.received_s, known.predicted = known.truth,
           known.confidence, known.truth_probability, known.squares,
           shadow.predicted = known.truth, shadow.confidence,
           iif(shadow.truth = known.truth, shadow.truth_probability, NULL), shadow.squares
    FROM shadow_row AS shadow JOIN known_row AS known USING (prediction, row)
    WHERE shadow.release_id = ? AND known.truth IS NOT NULL ORDER BY prediction, row
"""
_BLOCK_ROWS = 20_000
_TYPES = (np.int64, np.float64, np.bool_, np.float64, np.float64, np.float64)


class ReleaseReader:
    """The releases of a file."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def newest(self) -> Release | None:
        """The release that came into force last."""
        return next(iter(self.last(1)), None)

    def automatic_change(self) -> AutomaticChange | None:
        """What the service did without a person to bring the newest release into force."""
        former, newest = ([None, None, *self.last(2)])[-2:]
        if newest is None or newest.changed_by != SERVICE.name:
            return None
        if newest.is_fallback:
            return "promote"
        is_end = former is not None and former.is_fallback and former.champion == newest.champion
        return "stop" if is_end else "rollback"

    def last(self, most: int) -> list[Release]:
        """The releases that came into force last, in order."""
        rows: list[Any] = self._connection.execute(_LAST, (most,)).fetchall()
        return [Release.model_validate_json(text) for (text,) in reversed(rows)]

    def in_force(self) -> list[tuple[int, Release]]:
        """The acts by which releases came into force, in order: id and release."""
        rows: list[Any] = self._connection.execute(_IN_FORCE).fetchall()
        return [(id_, Release.model_validate_json(text)) for id_, text in rows]

    def state(self, release_id: str, read_upto_id: int) -> EvidenceState | None:
        """What is known of a release; None if the log did not state that it came into force."""
        text = self._connection.execute(
            "SELECT release_json FROM release WHERE release_id = ?", (release_id,)
        ).get
        if text is None:
            return None
        release = Release.model_validate_json(text)
        champion, challenger = (self._counts(release_id, role) for role in ROLES)
        has_rows = release.is_routed and release.challenger is not None
        return EvidenceState(
            release,
            champion,
            challenger,
            self._shadow(release_id),
            self._paired(release_id) if release.mode == "shadow" else PairedRows(no_rows(), no_rows()),
            self._assigned(release_id, release.champion) if has_rows else no_rows(),
            self._assigned(release_id, release.challenger or "") if has_rows else no_rows(),
            read_upto_id,
        )

    def _counts(self, release_id: str, role: Role) -> RoleCounts:
        found = self._connection.execute(_ROLE, (release_id, role)).get
        return RoleCounts() if found is None else RoleCounts._make(_restored(RoleCounts._fields, found))

    def _shadow(self, release_id: str) -> ShadowCounts:
        found = self._connection.execute(_SHADOW, (release_id,)).get
        if found is None:
            return ShadowCounts()
        pairs: list[Any] = self._connection.execute(_DISAGREEMENTS, (release_id,)).fetchall()
        return ShadowCounts._make([*_restored(_SHADOW_FIELDS, found), tuple(pairs)])

    def _assigned(self, release_id: str, tag: str) -> ModelRows:
        return _model_rows(self._columns(_ASSIGNED, (release_id, tag), _TYPES))

    def _paired(self, release_id: str) -> PairedRows:
        columns = self._columns(_PAIRED, (release_id,), (*_TYPES, *_TYPES[2:]))
        champion, challenger = columns[:6], [*columns[:2], *columns[6:]]
        return PairedRows(_model_rows(champion), _model_rows(challenger))

    def _columns(self, statement: str, values: Sequence[Any], types: Sequence[Any]) -> list[Any]:
        """The columns as arrays; not all rows are Python values at once."""
        blocks = [
            [
                np.array(values, dtype=type_)
                for values, type_ in zip(zip(*block, strict=True), types, strict=True)
            ]
            for block in self._blocks(statement, values)
        ] or [[np.empty(0, dtype=type_) for type_ in types]]
        return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]

    def _blocks(self, statement: str, values: Sequence[Any]) -> Iterator[list[Any]]:
        cursor = self._connection.execute(statement, values)
        while block := [*islice(cursor, _BLOCK_ROWS)]:
            yield block


def _model_rows(columns: Sequence[Any]) -> ModelRows:
    return ModelRows._make(columns)


def _restored(names: Sequence[str], stored: Sequence[int]) -> Iterator[Any]:
    """Stored numbers as they are: sums are stored in units."""
    for name, value in zip(names, stored, strict=True):
        yield value * SUM_UNIT if name in _SUMS else value

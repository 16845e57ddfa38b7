"""Releases as the collector writes them, within its transactions."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

from service.model.release.release import Release, Role
from service.monitoring.evidence.evidence import Evidence
from service.monitoring.evidence.evidence_state import RoleCounts, ShadowCounts
from service.monitoring.store.newest_evidence import put_evidence
from service.monitoring.store.release_reader import ReleaseReader

_ROLE_FIELDS = RoleCounts._fields
_SHADOW_FIELDS = ShadowCounts._fields[:-1]


def _adding(table: str, keys: Sequence[str], fields: Sequence[str]) -> str:
    names = ", ".join((*keys, *fields))
    places = ", ".join(f":{name}" for name in (*keys, *fields))
    sums = ", ".join(f"{name} = {name} + excluded.{name}" for name in fields)
    return f"INSERT INTO {table} ({names}) VALUES ({places}) ON CONFLICT DO UPDATE SET {sums}"  # noqa: S608


_ADD_ROLE = _adding("release_role", ("release_id", "role"), _ROLE_FIELDS)
_ADD_SHADOW = _adding("release_shadow", ("release_id",), _SHADOW_FIELDS)
_ADD_PAIR = _adding("release_disagreement", ("release_id", "champion", "challenger"), ("rows",))
_NEW_KEYS = """
    SELECT value FROM json_each(?)
    WHERE NOT EXISTS (SELECT 1 FROM release_key WHERE (release_id, key) = (?, value))
"""
_TRUTHS = """
    SELECT request_id, prediction, row, model_id, received_s, truth FROM known_row
    WHERE request_id IN (SELECT value FROM json_each(?)) AND truth IS NOT NULL
"""
_ADD_SHADOW_ROW = "INSERT OR REPLACE INTO shadow_row VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_IS_UNKNOWN = """
    NOT EXISTS (SELECT 1 FROM known_row AS known
                WHERE (known.prediction, known.row) = (shadow_row.prediction, shadow_row.row)
                      AND known.truth IS NOT NULL)
"""
_FORGET_UNKNOWN_OF = f"""
    DELETE FROM shadow_row WHERE request_id IN (SELECT value FROM json_each(?)) AND {_IS_UNKNOWN}
"""  # noqa: S608 - no text from outside
_FORGET_UNKNOWN = f"DELETE FROM shadow_row WHERE {_IS_UNKNOWN}"  # noqa: S608 - no text from outside
_OLD_RELEASES = """
    SELECT release_id FROM release WHERE release_id <> ? ORDER BY begun_id DESC LIMIT -1 OFFSET ?
"""
_OF_RELEASES = (
    "release_role",
    "release_shadow",
    "release_disagreement",
    "shadow_row",
    "evidence",
    "in_force",
)


class TrueRow(NamedTuple):
    """A row of a champion's prediction whose truth is known."""

    request_id: str
    prediction: int
    row: int
    model_id: str
    received_s: float
    truth: int


class ChallengerRow(NamedTuple):
    """The same row as a challenger predicted it."""

    release_id: str
    prediction: int
    row: int
    request_id: str
    predicted: int
    confidence: float
    squares: float
    truth: int
    truth_probability: float


class ReleaseWriter(ReleaseReader):
    """The releases of a file, open for writing."""

    def come_into_force(self, act_id: int, release: Release) -> None:
        """Note that the records after an act are of a release."""
        if self._newest_id() == release.release_id:
            return  # The service started again.
        values = release.release_id, act_id, release.model_dump_json()
        self._connection.execute("INSERT INTO release VALUES (?, ?, ?) ON CONFLICT DO NOTHING", values)
        self._connection.execute("INSERT OR REPLACE INTO in_force VALUES (?, ?)", (act_id, values[0]))

    def add_role(self, release_id: str, role: Role, counts: RoleCounts) -> None:
        """Add to the traffic of a role; its sums are in units."""
        self._connection.execute(_ADD_ROLE, {"release_id": release_id, "role": role, **counts._asdict()})

    def add_shadow(self, release_id: str, counts: ShadowCounts) -> None:
        """Add to the rows that both models predicted; the sums are in units."""
        numbers = dict(zip(_SHADOW_FIELDS, counts, strict=False))
        self._connection.execute(_ADD_SHADOW, {"release_id": release_id, **numbers})
        pairs = [
            {"release_id": release_id, "champion": champion, "challenger": challenger, "rows": rows}
            for champion, challenger, rows in counts.by_classes
        ]
        self._connection.executemany(_ADD_PAIR, pairs)

    def new_keys(self, release_id: str, keys: Iterable[int], most: int) -> list[int]:
        """The first of the keys that the release does not have, noted from now on; it gets ``most``."""
        held = self._connection.execute(
            "SELECT count(*) FROM release_key WHERE release_id = ?", (release_id,)
        ).get
        if held >= most:
            return []
        text = to_json([*keys]).decode()
        found: list[Any] = self._connection.execute(_NEW_KEYS, (text, release_id)).fetchall()
        new = [key for (key,) in found][: most - held]
        self._connection.executemany("INSERT INTO release_key VALUES (?, ?)", [(release_id, k) for k in new])
        return new

    def true_rows(self, request_ids: Sequence[str]) -> list[TrueRow]:
        """The rows of requests whose truth is known."""
        rows = self._connection.execute(_TRUTHS, (to_json(request_ids).decode(),))
        return [TrueRow._make(row) for row in rows]

    def add_shadow_rows(self, rows: Sequence[ChallengerRow]) -> None:
        """Add rows as challengers predicted them, in place of earlier ones."""
        self._connection.executemany(_ADD_SHADOW_ROW, rows)

    def forget_unknown(self, request_ids: Sequence[str]) -> None:
        """Remove challengers' rows of requests whose truth is not known any more."""
        self._connection.execute(_FORGET_UNKNOWN_OF, (to_json(request_ids).decode(),))

    def forget_rows(self, request_ids: Sequence[str]) -> None:
        """Remove challengers' rows of requests."""
        statement = "DELETE FROM shadow_row WHERE request_id IN (SELECT value FROM json_each(?))"
        self._connection.execute(statement, (to_json(request_ids).decode(),))

    def save(self, evidence: Evidence) -> None:
        """Keep the newest evidence of its release."""
        put_evidence(self._connection, evidence)

    def tidy(self, most: int) -> None:
        """Keep the newest releases, and the keys of the one in force; drop rows whose truth is dropped."""
        connection, in_force = self._connection, self._newest_id()
        connection.execute(_FORGET_UNKNOWN)
        if in_force is None:
            return
        connection.execute("DELETE FROM release_key WHERE release_id <> ?", (in_force,))
        old = [(release_id,) for (release_id,) in connection.execute(_OLD_RELEASES, (in_force, most - 1))]
        for table in (*_OF_RELEASES, "release"):
            connection.executemany(f"DELETE FROM {table} WHERE release_id = ?", old)  # noqa: S608
        connection.executemany("UPDATE known_row SET release_id = NULL WHERE release_id = ?", old)

    def _newest_id(self) -> str | None:
        found = self._connection.execute("SELECT release_id FROM in_force ORDER BY id DESC LIMIT 1").get
        return None if found is None else str(found)

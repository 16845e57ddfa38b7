"""Reads of records as acts: who read, with which filter, how many records and which.

Every way to read records through this project makes its acts here. A process that opens the log's file itself
is not seen. An act lists the ids of a few records. For more it has the lowest and the highest id, and the
SHA-256 of all of them, so that a list of ids can be compared with it later.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Literal

from service.audit.act import Act, Actor, make_act

MAX_IDS = 100
"""Ids that an act lists."""


class ReadIds:
    """The ids of the records that were read, in constant memory."""

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self.count = 0
        self._first: list[int] = []
        self._lowest = self._highest = 0
        self._digest = sha256()
        for id_ in ids:
            self.add(id_)

    def add(self, id_: int) -> None:
        """Add the id of a record, in the order of reading."""
        self._lowest = min(self._lowest, id_) if self.count else id_
        self._highest = max(self._highest, id_)
        self.count += 1
        self._digest.update(b"%d\n" % id_)
        if self.count <= MAX_IDS:
            self._first.append(id_)

    def detail(self) -> dict[str, object]:
        """The facts for an act."""
        if not self.count:
            return {"records": 0}
        facts = {"records": self.count, "lowest_id": self._lowest, "highest_id": self._highest}
        if self.count <= MAX_IDS:
            return {**facts, "ids": self._first}
        # Of the decimal ids in the order of reading, each followed by a line feed.
        return {**facts, "ids_sha256": self._digest.hexdigest()}


def read_act(
    actor: Actor,
    *,
    of: str,
    filters: Mapping[str, object],
    ids: ReadIds | Iterable[int] | None,
    request_id: str | None = None,
    kind: Literal["read", "export", "backup"] = "read",
    stage: Literal["begun", "ended", "interrupted"] | None = None,
) -> Act:
    """The act of a read: ``of`` is the route or the command, ``request_id`` that of the HTTP request.

    ``ids`` is None while they are not known. A read that takes long has an act for each ``stage``.
    """
    detail: dict[str, object] = {"of": of, "filters": filters}
    if request_id is not None:
        detail["request_id"] = request_id
    if stage is not None:
        detail["stage"] = stage
    if ids is not None:
        detail |= (ids if isinstance(ids, ReadIds) else ReadIds(ids)).detail()
    return make_act(kind, actor, detail)

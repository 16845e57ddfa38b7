"""Verification: walks every chain from its beginning and reports the first fault of each.

All chains are walked together, in the order of the ids, so each row is read once and only the place in each
chain is kept. The walk uses short transactions, because a long one prevents the WAL from restarting. The log
may be written, pruned and redacted meanwhile; what is written after the start is left for the next run. Only
SQLite's own check of a table against its indexes takes one long transaction.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from service.audit.chain import Position, Start, first_position
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.file.raw_value import as_bytes, as_integer, as_text, fetch_all, fetch_one
from service.audit.prove.anchor import Anchor, read_anchor
from service.audit.prove.bases import actual_bases_sha256, stated_bases_sha256
from service.audit.prove.ledger_walk import LedgerWalk
from service.audit.prove.structure import find_damage, row_flaws, schema_flaws, tables, unused_facets
from service.audit.prove.tree_check import TreeCheck, TreeReport
from service.audit.prove.verified_entry import FacetKey, VerifiedEntry, read_chunk, stray_facets
from service.audit.witness.witnesses import Witness

_CHUNK_ROWS = 2_000

_LAST_ID = """
    SELECT max(coalesce((SELECT max(id) FROM request), 0), coalesce((SELECT max(id) FROM event), 0))
"""
_CHAINS = """
    SELECT id, writer, started_utc, follows_seq, follows_hash, format, ledger_seq, ledger_hash, head_seq,
           head_hash, base_seq, base_hash
    FROM chain ORDER BY id
"""


class Problem(NamedTuple):
    """The first fault of a chain, or a fault outside the chains."""

    kind: str
    """changed, removed, inserted or reordered; missing or different, compared with an anchor or another
    chain; damaged, if the file contradicts itself."""
    what: str
    writer: str | None = None
    seq: int | None = None
    id: int | None = None

    def __str__(self) -> str:
        return self.what if self.writer is None else f"chain {self.writer}, entry {self.seq}: {self.what}"


@dataclass
class Report:
    """The result of a verification."""

    log_id: str
    chains: int = 0
    records: int = 0
    redacted: int = 0
    events: int = 0
    pruned: int = 0
    """Entries that were pruned, which the base of a chain stands for."""
    acts: int = 0
    """Acts of the ledger."""
    unused_facets: int = 0
    """Facets of no request."""
    problems: list[Problem] = field(default_factory=list)
    tree: TreeReport = field(default_factory=TreeReport)

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.problems


class _ChainWalk:
    """A chain, up to the entry that was walked last."""

    def __init__(self, start: Start, head: Position, base: Position) -> None:
        first = first_position(start)
        self.start, self.head, self.base = start, head, base
        self.place = base if base.seq else first
        self.has_wrong_start = base.seq == 0 and base != first
        self.broken = False
        self.expected_hashes: dict[int, list[tuple[bytes, str]]] = {}
        """Hashes that entries must have, by seq, each with its source."""


def _walk(log_id: str, number: int, *row: Any) -> _ChainWalk:
    writer, started_utc, *follows = row[:4]
    begun = as_text(writer), as_text(started_utc), *_position(*follows)
    start = Start(log_id, number, *begun, as_integer(row[4]), *_position(*row[5:7]))
    return _ChainWalk(start, _position(*row[7:9]), _position(*row[9:]))


def _position(seq: Any, hash_: Any) -> Position:
    return Position(as_integer(seq), as_bytes(hash_))


def verify(path: Path, anchor: Path | None = None, witnesses: Sequence[Witness] = ()) -> Report:
    """Walk every chain of the log, and check its tree and its checkpoints.

    Raises AuditUnusable, or AnchorUnusable for an anchor of another log.
    """
    with closing(open_for_reading(path)) as connection, errors_as_unusable(path):
        with connection:
            flaws = [Problem(*flaw) for flaw in schema_flaws(connection)]
        try:
            report = _Verification(connection, anchor).run()
            report.tree = TreeCheck(connection, report.log_id).run(witnesses)
            report.problems += [Problem(*flaw) for flaw in report.tree.flaws]
        except apsw.SQLError:  # A table or column may be missing.
            if not flaws:
                raise
            report = Report("")
    report.problems[:0] = flaws
    return report


class _Verification:
    def __init__(self, connection: apsw.Connection, anchor: Path | None) -> None:
        self._connection = connection
        with connection:
            log_id = as_text(fetch_one(connection, "SELECT log_id FROM log"))
            self._last: int = connection.execute(_LAST_ID).get
            self._walks = {row[0]: _walk(log_id, *row) for row in fetch_all(connection, _CHAINS)}
            self._ledger = LedgerWalk(connection, log_id)
        self._anchor = None if anchor is None else read_anchor(anchor, log_id)
        self._report = Report(log_id, chains=len(self._walks))

    def run(self) -> Report:
        for number, walk in self._walks.items():
            self._expect_chain(number, walk)
        if self._anchor is not None:
            self._expect_anchor(self._anchor)
        for walk in self._walks.values():
            self._check_expected(walk)
        self._walk_ledger()
        seen = -(2**63)
        while seen < self._last:
            with self._connection:
                seen = self._walk_chunk(seen)
        for walk in self._walks.values():
            self._check_end(walk)
        self._check_facets()
        with self._connection:
            self._check_bases()
            self._report.problems += [Problem(*flaw) for flaw in row_flaws(self._connection)]
            self._report.unused_facets = unused_facets(self._connection)
        for table in tables():
            if flaw := find_damage(self._connection, table):
                self._report.problems.append(Problem(*flaw))
        return self._report

    def _walk_ledger(self) -> None:
        goes_on = True
        while goes_on:
            with self._connection:
                goes_on = self._ledger.step(_CHUNK_ROWS)
        self._report.acts = self._ledger.place.seq
        if self._ledger.flaw:
            self._report.problems.append(Problem("changed", self._ledger.flaw))

    def _expect_chain(self, number: int, walk: _ChainWalk) -> None:
        start, before = walk.start, self._walks.get(number - 1)
        self._ledger.expect(Position(start.ledger_seq, start.ledger_hash), f"chain {start.writer}")
        if walk.has_wrong_start:
            self._report_fault(walk, Problem("changed", "how the chain began was changed", seq=0))
        elif before is not None:
            source = f"chain {start.writer}, which began after it,"
            before.expected_hashes.setdefault(start.follows_seq, []).append((start.follows_hash, source))
        elif start.follows_seq:
            self._report_fault(walk, Problem("removed", "the chain before it was removed", seq=0))

    def _expect_anchor(self, anchor: Anchor) -> None:
        if anchor.ledger is not None:
            self._ledger.expect(Position(anchor.ledger.seq, bytes.fromhex(anchor.ledger.hash)), "the anchor")
        by_writer = {walk.start.writer: walk for walk in self._walks.values()}
        for head in anchor.heads:
            walk = by_writer.get(head.writer)
            if walk is None:
                what = "the anchor has this chain, and the log does not"
                self._report.problems.append(Problem("missing", what, head.writer, head.seq))
            elif walk.head.seq < head.seq:
                what = f"the anchor has it, and the chain ends at entry {walk.head.seq}"
                self._report_fault(walk, Problem("missing", what, seq=head.seq))
            else:
                walk.expected_hashes.setdefault(head.seq, []).append((bytes.fromhex(head.hash), "the anchor"))

    def _walk_chunk(self, seen: int) -> int:
        for number, *base in fetch_all(self._connection, "SELECT id, base_seq, base_hash FROM chain"):
            walk, place = self._walks.get(number), _position(*base)
            if walk is not None and place.seq > walk.place.seq:  # It was pruned since the verification began.
                walk.base = walk.place = place
        chunk = read_chunk(self._connection, seen, self._last, _CHUNK_ROWS)
        for entry in chunk.entries:
            self._report.records += entry.kind == "record"
            self._report.events += entry.kind == "event"
            self._report.redacted += entry.redacted
            if entry.model_id and entry.model_id not in self._ledger.models:
                self._ledger.models.add(entry.model_id)  # It is reported once.
                what = f"record {entry.id} names model {entry.model_id}, which the ledger does not have"
                self._report.problems.append(Problem("missing", what, id=entry.id))
            walk = self._walks.get(entry.chain)
            if walk is None:
                what = f"{entry.kind} {entry.id} is of a chain that the log does not have"
                self._report.problems.append(Problem("inserted", what, id=entry.id))
            elif not walk.broken:
                self._check_entry(walk, entry)
        for what, strays in (("labels", chunk.stray_labels), ("an outcome", chunk.stray_outcomes)):
            for id_ in strays[:1]:
                problem = Problem("removed", f"record {id_} has {what}, and is gone", id=id_)
                self._report.problems.append(problem)
        return chunk.upto

    def _check_entry(self, walk: _ChainWalk, entry: VerifiedEntry) -> None:
        expected, name = walk.place.seq + 1, f"{entry.kind} {entry.id}"
        if entry.seq == expected:
            place = entry.place_after(walk.place)
            if place.hash == entry.hash and not entry.flaw:
                walk.place = place
                self._check_expected(walk, entry.id)
            elif self._count(walk, expected) > 1:
                self._report_fault(walk, Problem("inserted", f"{name} or its twin was inserted", id=entry.id))
            else:
                why = f": {entry.flaw}" if entry.flaw else ""
                self._report_fault(walk, Problem("changed", f"{name} was changed{why}", id=entry.id))
        elif entry.seq < expected:
            self._report_fault(walk, Problem("inserted", f"{name} was inserted", seq=entry.seq, id=entry.id))
        elif self._count(walk, expected):
            what = f"{name} was reordered: entry {expected} comes after it"
            self._report_fault(walk, Problem("reordered", what, id=entry.id))
        else:
            self._report_fault(walk, Problem("removed", f"removed, with what came up to {name}"))

    def _check_end(self, walk: _ChainWalk) -> None:
        self._report.pruned += walk.base.seq
        if walk.place.seq < walk.head.seq:
            self._report_fault(walk, Problem("removed", "removed, with all that followed"))
        elif walk.place.seq > max(walk.head.seq, walk.base.seq):
            what = f"the head of the chain was changed: it ends at entry {walk.place.seq}"
            self._report_fault(walk, Problem("changed", what, seq=walk.head.seq))
        elif walk.place.seq == walk.head.seq and walk.place.hash != walk.head.hash:
            self._report_fault(
                walk, Problem("changed", "the hash of the head was changed", seq=walk.head.seq)
            )
        for seq in sorted(walk.expected_hashes):
            if seq > walk.place.seq:
                what = f"{walk.expected_hashes[seq][0][1]} has seen it, and it is gone"
                self._report_fault(walk, Problem("missing", what, seq=seq))

    def _check_facets(self) -> None:
        after: FacetKey | None = FacetKey(-1, "", 0)
        while after is not None:
            with self._connection:
                stray, after = stray_facets(self._connection, after, _CHUNK_ROWS)
            if stray is not None:
                what = f"the facets of record {stray.request} are not those of its labels"
                self._report.problems.append(Problem("inserted", what, id=stray.request))

    def _check_bases(self) -> None:
        # The last prune event, which lies in a chain itself, states how far the chains were pruned.
        if stated_bases_sha256(self._connection) != actual_bases_sha256(self._connection):
            what = "the log was pruned further, or otherwise, than its last prune event states"
            self._report.problems.append(Problem("removed", what))

    def _check_expected(self, walk: _ChainWalk, id_: int | None = None) -> None:
        for hash_, source in walk.expected_hashes.pop(walk.place.seq, ()):
            if hash_ != walk.place.hash:
                what = f"{source} has another hash for it"
                self._report_fault(walk, Problem("different", what, seq=walk.place.seq, id=id_))

    def _count(self, walk: _ChainWalk, seq: int) -> int:
        statement = """
            SELECT (SELECT count(*) FROM request WHERE (chain, seq) = (:chain, :seq))
                 + (SELECT count(*) FROM event WHERE (chain, seq) = (:chain, :seq))
        """
        return int(self._connection.execute(statement, {"chain": walk.start.chain, "seq": seq}).get)

    def _report_fault(self, walk: _ChainWalk, problem: Problem) -> None:
        # Later faults of a chain usually follow from the first.
        if not walk.broken:
            walk.broken = True
            seq = walk.place.seq + 1 if problem.seq is None else problem.seq
            self._report.problems.append(problem._replace(writer=walk.start.writer, seq=seq))

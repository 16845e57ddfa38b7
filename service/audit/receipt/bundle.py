"""Bundles: the proofs of many records, with the ledger's acts, as one file for an auditor.

A bundle is JSON lines: the header of a receipt, then all acts of the ledger, then the records. With a name
that ends in ``.zip``, it is an archive of these lines, a README and the program that checks them. It is
written entry by entry, so it can be longer than the memory.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

import apsw

from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.receipt.making import header
from service.audit.receipt.proof import Checkpoint, Document, EntryProofs
from service.audit.tree.tile import TreeBroken
from service.errors import AuditMisuse, AuditUnusable

FORMAT = "tabento bundle 1"
VERIFIER = Path(__file__).with_name("verifier.py")
_STEP_ENTRIES = 200
"""Entries that are read in one transaction. While it is open, the WAL cannot restart."""

_README = """\
This archive proves predictions of the audit log {log_id}.

    python verifier.py bundle.jsonl

checks it, with Python 3.11 or later and nothing else but the package cryptography for the signature. Add
--key KEY with the verifier key of the log, which its operator or a witness has given you. The last line then
says "proven".

bundle.jsonl has one entry a line: first the acts of the ledger, among them the card of each model, then the
records. The proof of each leads to one checkpoint of {size} entries. What is in the archive is proven. That
nothing is left out is not: the proofs state the index of each entry, and missing indexes are entries that
were not asked for, that are events of the log itself, or that retention has removed.
"""

_LAST = "SELECT size, verifier_key, note FROM checkpoint ORDER BY size DESC LIMIT 1"
_ACTS = "SELECT id FROM ledger WHERE id > :seen AND id <= :last ORDER BY id LIMIT :rows"
_RECORDS = """
    SELECT id FROM request WHERE id > :seen AND id <= :last
    AND (:since IS NULL OR received_utc >= :since) AND (:until IS NULL OR received_utc < :until)
    AND (:subject IS NULL OR subject = :subject OR status = 201 AND EXISTS (
        SELECT 1 FROM request AS p
        WHERE p.request_id = request.request_id AND p.status < 201 AND p.subject = :subject
        UNION ALL SELECT 1 FROM request AS p
        WHERE p.request_id = request.request_id AND p.status > 201 AND p.subject = :subject
    ))
    ORDER BY id LIMIT :rows
"""
"""The records of a person are also the outcomes of predictions that name the person."""


class Selection(NamedTuple):
    """The records of a bundle."""

    since: str | None = None
    until: str | None = None
    subject: str | None = None
    """The keyed hash of a person's identifier."""


class Counts(NamedTuple):
    """What a bundle has."""

    acts: int
    records: int


def write_bundle(
    log: Path,
    output: Path,
    selection: Selection,
    *,
    with_content: bool = True,
    on_record: Callable[[int], None] = lambda _: None,
) -> Counts:
    """Write a bundle up to the last checkpoint.

    ``on_record`` is called with the id of each record before it is written. Raises AuditUnusable, or
    AuditMisuse if there is no checkpoint or the file cannot be written.
    """
    try:
        with closing(open_for_reading(log)) as connection, errors_as_unusable(log):
            bundle = _Bundle(connection, selection, with_content=with_content, on_record=on_record)
            return bundle.write_file(output)
    except TreeBroken as error:
        raise AuditUnusable(log, f"{error}; see `verify`") from error


class _Bundle:
    def __init__(
        self,
        connection: apsw.Connection,
        selection: Selection,
        *,
        with_content: bool,
        on_record: Callable[[int], None],
    ) -> None:
        self._connection = connection
        self._selection = selection
        self._with_content = with_content
        self._on_record = on_record
        self._log_id: str = connection.execute("SELECT log_id FROM log").get
        found: list[Any] = connection.execute(_LAST).fetchall()
        if not found:
            raise AuditMisuse("The log has no checkpoint: run `python -m service.audit checkpoint` first")
        self._checkpoint = Checkpoint(*found[0])
        with connection:
            proofs = EntryProofs(connection, self._log_id, self._checkpoint)
            self._last_id = proofs.last_id()

    def write_file(self, output: Path) -> Counts:
        try:
            if output.suffix == ".zip":
                return self.write_archive(output)
            with output.open("w", encoding="utf-8") as file:
                return self.write(file.write)
        except OSError as error:
            raise AuditMisuse(f"{output} cannot be written: {error.strerror}") from error

    def write_archive(self, output: Path) -> Counts:
        with ZipFile(output, "w", ZIP_DEFLATED) as archive:
            readme = _README.format(log_id=self._log_id, size=self._checkpoint.size)
            archive.writestr("README.txt", readme)
            archive.write(VERIFIER, "verifier.py")
            with archive.open("bundle.jsonl", "w", force_zip64=True) as raw:
                file = TextIOWrapper(raw, encoding="utf-8", newline="\n", write_through=True)
                counts = self.write(file.write)
                file.detach()
        return counts

    def write(self, write: Callable[[str], object]) -> Counts:
        write(_line(header(self._connection, FORMAT, self._log_id, self._checkpoint)))
        acts = records = 0
        for acts, act in enumerate(self._entries(_ACTS, {}, EntryProofs.act), 1):  # noqa: B007
            write(_line(act))
        for records, record in enumerate(  # noqa: B007
            self._entries(_RECORDS, self._selection._asdict(), self._record), 1
        ):
            write(_line(record))
        return Counts(acts, records)

    def _record(self, proofs: EntryProofs, id_: int) -> Document:
        self._on_record(id_)
        return proofs.record(id_, with_content=self._with_content)

    def _entries(
        self, statement: str, values: Mapping[str, object], make: Callable[[EntryProofs, int], Document]
    ) -> Iterator[Document]:
        seen = 0
        while True:
            with self._connection:
                bindings: Any = {**values, "seen": seen, "last": self._last_id, "rows": _STEP_ENTRIES}
                ids = [id_ for (id_,) in self._connection.execute(statement, bindings)]
                proofs = EntryProofs(self._connection, self._log_id, self._checkpoint)
                for id_ in ids:
                    yield make(proofs, id_)
            if len(ids) < _STEP_ENTRIES:
                return
            seen = ids[-1]


def _line(document: Document) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"

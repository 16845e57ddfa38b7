"""The tables and views of the audit log, from the migrations and their comments."""

import re
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from docs.extension.markdown_table import markdown_table
from service.audit.file.database import open_for_writing
from service.audit.file.migrations import MIGRATIONS

_COLUMN = re.compile(
    r"^(?:ALTER TABLE \w+ ADD COLUMN )?(\w+) (?:INTEGER|TEXT|REAL|BLOB|ANY)\b.*?(?:-- (.*))?$"
)

_COLUMNS = """
    SELECT t.name, c.name, c.type, c."notnull" OR c.pk
    FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
    WHERE t.type = ? AND t.name <> 'sqlite_sequence' ORDER BY t.rowid, c.cid
"""

_WITHOUT_COMMENT = {
    ("migration", "number"): "of the schema that it leads to",
    ("migration", "name"): "what it adds",
    ("migration", "applied_utc"): "when this file got it",
    ("request", "transport"): "`http`, `grpc`, `python` for a call within the process, `shell` for a command",
    ("request", "route"): "the path of the table of routes",
    ("request", "duration_ms"): "from the request's first byte read to the record",
    ("request", "client"): "address of the client, behind trusted proxies that of the one they name",
    ("request", "model_name"): "of the model that answered; of an outcome, the one whose classes it obeys",
    ("request", "model_version"): "the same",
    ("request", "rows"): "number of rows in the request",
    ("request", "response_json"): "the answer as it was sent; of an outcome, what became of it",
    ("request_label", "request"): "id in table `request`",
    ("request_label", "rows"): "rows of the request with this label",
    ("request_label", "min_confidence"): "lowest probability of this label among those rows",
    ("request_label", "max_confidence"): "highest probability of this label among those rows",
    ("chain", "started_utc"): "when the writer began",
    ("chain", "follows_hash"): "hash of that head",
    ("chain", "head_hash"): "hash of the last entry",
    ("chain", "base_hash"): "hash of the last entry that was pruned",
    ("event", "chain"): "id in table `chain`",
    ("event", "seq"): "place in the chain",
    ("event", "recorded_utc"): "when it was recorded",
    ("event", "detail_json"): "the facts of this kind of event",
    ("event", "hash"): "SHA-256, as for requests",
    ("facet", "id"): "given in order",
    ("facet", "label"): "as in `request_label`",
    ("facet", "label_type"): "as in `request_label`",
    ("facet", "model_name"): "as in `request`",
    ("request_facet", "facet"): "id in table `facet`",
    ("request_facet", "request"): "id in table `request`",
}
"""Columns that no comment of a migration describes. A released migration does not change, nor do its
comments."""


def audit_tables() -> str:
    """Write a section for every table, with its columns."""
    said = {**_WITHOUT_COMMENT, **_comments()}
    rows: dict[str, list[tuple[str, str, str]]] = {}
    for table, column, type_, always in _columns("table"):
        kind = type_ if always else f"{type_}, may be NULL"
        rows.setdefault(table, []).append((f"`{column}`", kind, said[table, column]))
    header = ("column", "type", "meaning")
    return "\n".join(f"### {table}\n\n{markdown_table(header, of)}" for table, of in rows.items())


def audit_views() -> str:
    """Write every view with its columns."""
    columns: dict[str, list[str]] = {}
    for view, column, *_ in _columns("view"):
        columns.setdefault(view, []).append(f"`{column}`")
    return markdown_table(("view", "columns"), [(f"`{view}`", ", ".join(of)) for view, of in columns.items()])


def _columns(kind: str) -> list[tuple[str, str, str, bool]]:
    """Each column of the tables, or views: of which, its name, its type, whether it always has a value."""
    with TemporaryDirectory() as folder, closing(open_for_writing(Path(folder) / "audit.db")) as connection:
        found = connection.execute(_COLUMNS, (kind,)).fetchall()
    return [(str(item), str(column), str(type_), bool(always)) for item, column, type_, always in found]


def _comments() -> dict[tuple[str, str], str]:
    """What the migrations say of their columns, where they say something."""
    found: dict[tuple[str, str], str] = {}
    table = ""
    for line in "\n".join(migration.sql for migration in MIGRATIONS).splitlines():
        if named := re.search(r"(?:CREATE|ALTER) TABLE (\w+)", line):
            table = named[1]
        column = _COLUMN.match(line.strip())
        if column and column[2]:
            found[table, column[1]] = column[2]
    return found

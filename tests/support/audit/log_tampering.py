"""Changes of a log's file by SQL and by bytes, drawn by Hypothesis, and whether they are found."""

from contextlib import closing
from pathlib import Path

import apsw
from hypothesis import assume
from hypothesis import strategies as st

from service.audit.prove.verify import verify
from service.errors import AuditUnusable
from tests.support.audit.log_states import TABLES, Content, content_of


def tamper_by_sql(copy: Path, data: st.DataObject, before: Content) -> None:
    """Remove a row, or exchange a value of it for that of another row."""
    table = data.draw(st.sampled_from([name for name in TABLES if before[name] and name != "log"]))
    with closing(apsw.Connection(str(copy))) as connection:
        columns = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
        column = data.draw(st.sampled_from([*columns, "all of the row"]))
        row, other = (data.draw(st.integers(0, len(before[table]) - 1)) for _ in range(2))
        which = f"FROM {table} ORDER BY {columns[0]} LIMIT 1 OFFSET {{}}"
        key = ", ".join(columns[:3]) if "facet" in table or "label" in table else columns[0]
        where = f"({key}) = (SELECT {key} {which.format(row)})"
        try:
            if column == "all of the row":
                connection.execute(f"DELETE FROM {table} WHERE {where}")
            else:
                value = f"(SELECT {column} {which.format(other)})"
                connection.execute(f"UPDATE {table} SET {column} = {value} WHERE {where}")
        except (apsw.ConstraintError, apsw.MismatchError):
            assume(False)


def tamper_by_bytes(copy: Path, data: st.DataObject) -> None:
    """Exchange one byte of the file for another."""
    content = bytearray(copy.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    copy.write_bytes(content)


def assert_a_change_is_found(copy: Path, before: Content) -> None:
    """An unused facet means nothing, and a changed byte may lie where there is nothing."""
    try:
        after = content_of(copy)
    except (apsw.Error, UnicodeDecodeError):
        after = {}
    try:
        ok = verify(copy).ok
    except AuditUnusable:
        ok = False
    assert not ok or _meaningful(after) == _meaningful(before)


def _meaningful(content: Content) -> Content:
    used = {row[0] for row in content.get("request_facet", ())}
    return {**content, "facet": [row for row in content.get("facet", ()) if row[0] in used]}

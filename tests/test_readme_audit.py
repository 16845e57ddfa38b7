"""The README on the audit log: its schema comes from the migrations, its outputs from the commands."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from service.audit.file.database import open_for_writing
from service.audit.file.schema import MIGRATIONS
from tests.support.audit.logs import REFUSED, numbered, write
from tests.support.servers import PROJECT

README = (PROJECT / "README.md").read_text()
SECTION = README.partition("## The audit log\n")[2].partition("\n## ")[0]
_COLUMN = re.compile(
    r"^(?:ALTER TABLE \w+ ADD COLUMN )?(\w+) (?:INTEGER|TEXT|REAL|BLOB|ANY)\b.*?(?:-- (.*))?$"
)


def comments() -> dict[tuple[str, str], str]:
    """What the migrations say of their columns."""
    found: dict[tuple[str, str], str] = {}
    table = ""
    for line in "\n".join(migration.sql for migration in MIGRATIONS).splitlines():
        if named := re.search(r"(?:CREATE|ALTER) TABLE (\w+)", line):
            table = named[1]
        if column := _COLUMN.match(line.strip()):
            found[table, column[1]] = column[2] or ""
    return found


def schema_table(folder: Path) -> str:
    connection = open_for_writing(folder / "audit.db")
    columns = connection.execute(
        """SELECT t.name, c.name, c.type, c."notnull" OR c.pk
           FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
           WHERE t.type = 'table' AND t.name <> 'sqlite_sequence' ORDER BY t.rowid, c.cid"""
    ).fetchall()
    connection.close()
    said, rows, before = comments(), [], ""
    for table, column, type_, required in columns:
        shown = f"`{table}`" if table != before else ""
        optional = "" if required else ", may be NULL"
        rows.append(
            f"| {shown} | `{column}` | {type_}{optional} | {said.get((str(table), str(column)), '')} |"
        )
        before = str(table)
    return "\n".join(["| table | column | type | |", "|---|---|---|---|", *rows])


def sample_log(db: Path) -> None:
    write(db, *numbered(3), replace(REFUSED, request_id="r-4"))


def outputs(folder: Path) -> str:
    """The section's commands with what they write."""
    sample_log(folder / "tabento-audit.db")
    commands = re.findall(r"^\$ (.*)$", SECTION, re.MULTILINE)
    shown = []
    for command in commands:
        done = subprocess.run(
            command.replace(".venv/bin/python", sys.executable),
            shell=True,
            cwd=folder,
            env={"PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
        )
        shown.append(f"$ {command}\n{done.stdout}{done.stderr}")
    return "".join(shown)


def plain(text: str) -> str:
    return re.sub(r"[0-9a-f]{32}", "WRITER", text).strip()


def test_the_readme_has_the_schema_of_the_migrations(tmp_path: Path) -> None:
    assert schema_table(tmp_path) in SECTION


def test_the_commands_of_the_readme_write_what_it_shows(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```console\n(.*?)```", SECTION, re.DOTALL)
    assert plain(outputs(tmp_path)) == plain(shown)


def test_each_promise_names_what_proves_it() -> None:
    promises = re.findall(r"^\| \*\*.*$", SECTION, re.MULTILINE)
    assert len(promises) >= 10
    assert all(re.search(r"\((tests|load_tests)/\S+\.py\)", promise) for promise in promises)


def test_the_python_of_the_readme_reads_the_log(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    sample_log(tmp_path / "tabento-audit.db")
    done = subprocess.run(
        [sys.executable, "-c", f"import pandas, service.audit\nprint(({example.strip()}).to_csv())"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert [line.split(",")[2:] for line in done.stdout.strip().splitlines()] == [
        ["label", "min_confidence"],
        *[["setosa", "0.97"]] * 3,
    ]

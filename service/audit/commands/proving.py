"""Commands that prove the log, or keep what proves it."""

from pathlib import Path

import click

from service.audit.commands.command_group import FILE, audit, counted, pass_db, reading, write_line
from service.audit.prove import verify as verification
from service.audit.prove.anchor import take_anchor
from service.audit.prove.tree_check import TreeReport
from service.audit.witness.witnesses import make_witness
from service.settings import load_settings


@audit.command
@click.option("--anchor", type=FILE, metavar="FILE", help="the output of an earlier `head`")
@pass_db
def verify(db: Path, anchor: Path | None) -> int:
    """Walk the hash chains and name the first broken entry of each."""
    witnesses = [make_witness(name) for name in load_settings().audit_witness]
    report = verification.verify(db, anchor, witnesses)
    for problem in report.problems:
        write_line(f"{problem.kind}: {problem}")
    counts = f"{counted(report.records, 'record')} and {counted(report.events, 'event')}"
    counts += f" in {counted(report.chains, 'chain')}"
    more = f", {counted(report.acts, 'act')}" if report.acts else ""
    more += f", {report.redacted} redacted" if report.redacted else ""
    more += f", {counted(report.pruned, 'entry', 'entries')} pruned" if report.pruned else ""
    more += f", {counted(report.unused_facets, 'facet')} of no request" if report.unused_facets else ""
    more += f"; {covered(report.tree)}" if report.tree.checkpoints else ""
    write_line(f"{'ok' if report.ok else 'broken'}: {counts}{more}")
    return 0 if report.ok else 1


def covered(tree: TreeReport) -> str:
    """What the checkpoints cover."""
    checkpoints = f"{counted(tree.checkpoints, 'checkpoint')} by {counted(len(tree.keys), 'key')}"
    uncovered = f"{counted(tree.uncovered, 'entry', 'entries')} since the last"
    return f"{checkpoints}, {uncovered}, {tree.unwitnessed} that no witness has"


@audit.command
@pass_db
def head(db: Path) -> None:
    """Write the heads of the chains, to keep elsewhere as an anchor."""
    with reading(db) as connection, connection:
        anchor = take_anchor(connection)
    write_line(anchor.model_dump_json(indent=2))

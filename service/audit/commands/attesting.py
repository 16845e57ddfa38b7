"""Commands that make evidence: checkpoints, receipts, and the program that checks them."""

import os
import sys
from datetime import datetime
from pathlib import Path

import click

from service.audit.act import Actor
from service.audit.commands.actors import reader_option
from service.audit.commands.command_group import AMOUNT, FILE, MOMENT, audit, counted, pass_db, write_line
from service.audit.commands.recorded_reads import record, recorded
from service.audit.query.read_acts import ReadIds, read_act
from service.audit.utc_text import utc_text
from service.errors import AuditMisuse, RequestError

_NICENESS = 19


@audit.command
@click.option("--wait", type=AMOUNT, default=60.0, metavar="SECONDS", help="how long to wait for another one")
@click.option("--background", is_flag=True, help="with low priority; write nothing but failures")
@pass_db
def checkpoint(db: Path, wait: float, background: bool) -> int:
    """Sign the tree over all entries, and hand it to the witnesses.

    Exit code 1 if a witness failed; it is tried again at the next checkpoint.
    """
    from service.audit.witness.checkpoint import take_checkpoint
    from service.audit.witness.witnesses import make_witness
    from service.settings import load_settings

    settings = load_settings()
    if background:
        os.nice(_NICENESS)
    witnesses = [make_witness(name) for name in settings.audit_witness]
    taken = take_checkpoint(db, _key_file(db), witnesses, wait)
    for witness, reason in () if taken is None else taken.failures:
        write_line(f"witness {witness} failed: {reason}")
    if not background and taken is None:
        write_line("another process takes a checkpoint")
    if not background and taken is not None:
        new = "" if taken.is_new else ", as before"
        write_line(f"{counted(taken.size, 'entry', 'entries')} covered{new}")
    return 1 if taken is not None and taken.failures else 0


@audit.command
@pass_db
def key(db: Path) -> None:
    """Write the verifier key of the log's checkpoints, to give to those who check receipts."""
    from service.audit.commands.command_group import reading
    from service.audit.witness.signed_note import origin_of, verifier_key
    from service.audit.witness.signing_key import load_key

    with reading(db) as connection:
        log_id = connection.execute("SELECT log_id FROM log").get
    write_line(verifier_key(origin_of(log_id), load_key(_key_file(db), create=True).public_key))


@audit.command
@click.option("--request-id", required=True, metavar="ID")
@click.option("--received", type=MOMENT, metavar="TIME", help="only the record of this time")
@click.option("--no-content", is_flag=True, help="without the bodies, the labels and the client")
@click.option("--outcomes", is_flag=True, help="with the records of the prediction's outcomes")
@click.option("--output", type=FILE, metavar="FILE", help="by default stdout")
@reader_option
@pass_db
def receipt(
    db: Path,
    request_id: str,
    received: datetime | None,
    no_content: bool,
    outcomes: bool,
    output: Path | None,
    actor: Actor,
) -> None:
    """Write the receipt of a request: its records with their proofs."""
    from service.audit.receipt.making import ReceiptQuery, make_receipt

    query = ReceiptQuery(received_utc=received, content=not no_content, outcomes=outcomes)
    try:
        made = make_receipt(db, request_id, query, limit_bytes=None)
    except RequestError as error:
        raise AuditMisuse(str(error).removesuffix(".")) from error
    filters = {"request_id": request_id, **query.model_dump(mode="json", exclude_unset=True)}
    record(db, read_act(actor, of="receipt", filters=filters, ids=made.ids))
    _write(made.text, output)


@audit.command
@click.option("--since", type=MOMENT, metavar="TIME", help="received at this time or later")
@click.option("--until", type=MOMENT, metavar="TIME", help="received before this time")
@click.option("--subject", metavar="HASH", help="of the person with this keyed hash")
@click.option("--no-content", is_flag=True, help="without the bodies, the labels and the clients")
@click.option("--output", type=FILE, required=True, metavar="FILE", help="a name with .zip or .jsonl")
@reader_option
@pass_db
def bundle(
    db: Path,
    since: datetime | None,
    until: datetime | None,
    subject: str | None,
    no_content: bool,
    output: Path,
    actor: Actor,
) -> None:
    """Write the proofs of many records, with the acts of the ledger and the models' cards.

    An archive (.zip) also holds the program that checks them, and a README.
    """
    from service.audit.receipt.bundle import Selection, write_bundle

    if output.suffix not in (".zip", ".jsonl"):
        raise AuditMisuse(f"{output} does not say its format: give a name with .zip or .jsonl")
    selection = Selection(_text(since), _text(until), subject)
    filters = {**selection._asdict(), "content": not no_content, "output": str(output.absolute())}
    ids = ReadIds()
    with recorded(db, actor, "export", of="bundle", filters=filters, ids=ids):
        counts = write_bundle(db, output, selection, with_content=not no_content, on_record=ids.add)
    write_line(f"{counted(counts.records, 'record')} and {counted(counts.acts, 'act')} in {output}")


@audit.command
@click.option("--output", type=FILE, metavar="FILE", help="by default stdout")
def verifier(output: Path | None) -> None:
    """Write the program that checks receipts and bundles without this service."""
    _write((Path(__file__).parents[1] / "receipt" / "verifier.py").read_text(), output)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)


def _key_file(db: Path) -> Path:
    from service.audit.witness.signing_key import default_key_file
    from service.settings import load_settings

    return load_settings().audit_signing_key_file or default_key_file(db)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text)
    except OSError as error:
        raise AuditMisuse(f"{output} cannot be written: {error.strerror}") from error

"""Anchors: the heads of a log's chains, kept where nobody who can rewrite the log can write.

A chain proves that nothing before its last hash was changed. Only a copy of that hash, kept elsewhere, proves
that the log was not cut short or rebuilt from the beginning.
"""

from datetime import UTC, datetime
from pathlib import Path

import apsw
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import AnchorUnusable


class Head(BaseModel):
    """The last entry of one chain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    writer: str
    seq: int
    hash: str = Field(pattern="^[0-9a-f]{64}$")


class LedgerHead(BaseModel):
    """The last act of the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: int
    hash: str = Field(pattern="^[0-9a-f]{64}$")


class Anchor(BaseModel):
    """The heads of all chains and of the ledger at one time, as ``head`` writes them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_id: str
    taken_utc: datetime
    heads: tuple[Head, ...]
    ledger: LedgerHead | None = None
    """None if there was no act; earlier versions have none."""


def take_anchor(connection: apsw.Connection) -> Anchor:
    """The present heads of the chains."""
    heads = connection.execute("SELECT writer, head_seq, lower(hex(head_hash)) FROM chain ORDER BY id")
    log_id, seq, hash_ = connection.execute("SELECT log_id, ledger_seq, lower(hex(ledger_hash)) FROM log").get
    return Anchor(
        log_id=log_id,
        taken_utc=datetime.now(UTC),
        heads=tuple(Head(writer=writer, seq=seq, hash=hash_) for writer, seq, hash_ in heads),
        ledger=LedgerHead(seq=seq, hash=hash_) if seq else None,
    )


def read_anchor(path: Path, log_id: str) -> Anchor:
    """Read an anchor of this log from a file; raises AnchorUnusable."""
    try:
        anchor = Anchor.model_validate_json(path.read_bytes())
    except OSError as error:
        raise AnchorUnusable(path, str(error.strerror)) from error
    except ValidationError as error:
        raise AnchorUnusable(path, "it is not what `head` prints") from error
    if anchor.log_id != log_id:
        raise AnchorUnusable(path, f"it is of another log, {anchor.log_id}, and this one is {log_id}")
    return anchor

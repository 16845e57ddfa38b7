"""The witnesses of TABENTO_AUDIT_WITNESS: places that keep checkpoints where the log cannot be rewritten.

A witness takes the text of a checkpoint under a name, and never replaces one. Some can be read again, so that
verification compares what they keep with the log.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

VARIABLE = "TABENTO_AUDIT_WITNESS"


class WitnessFailed(Exception):
    """A witness did not take a checkpoint, or cannot be read; the message says why."""


class Kept(NamedTuple):
    """A checkpoint that a witness has."""

    name: str
    text: str


class Witness(Protocol):
    """A place for checkpoints."""

    name: str
    """As in TABENTO_AUDIT_WITNESS."""

    def take(self, log_id: str, size: int, note: str) -> bytes | None:
        """Keep a checkpoint, and return its token if it gives one; raises WitnessFailed."""

    def kept(self, log_id: str) -> Sequence[Kept] | None:
        """The checkpoints of a log, smallest first; None if it cannot be read again; raises WitnessFailed."""


def note_name(size: int) -> str:
    """The name of a checkpoint's file in the folder of its log; names are sorted as their sizes."""
    return f"{size:015d}.checkpoint"


def make_witness(name: str) -> Witness:
    """The witness of one entry of the setting; raises SettingInvalid."""
    # Imported here: a process needs the witnesses that are configured, and a worker none.
    kind, separator, rest = name.partition(":")
    match kind if separator else "":
        case "git":
            from service.audit.witness.git_witness import GitWitness

            return GitWitness(name, Path(rest))
        case "tsa":
            from service.audit.witness.timestamp_server import TimestampServer

            return TimestampServer(name, rest)
        case "s3":
            from service.audit.witness.bucket import Bucket

            return Bucket(name)
    from service.audit.witness.folder import FolderWitness

    return FolderWitness(name, Path(name))

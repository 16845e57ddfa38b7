"""A read by SQL as an act of the ledger."""

import logging
from hashlib import sha256
from pathlib import Path

from service.audit.act import shell_actor
from service.audit.query.read_acts import read_act
from service.audit.write.single_act import append_act, unstated
from service.errors import AuditUnusable

_logger = logging.getLogger(__name__)


def record_statement(path: Path, statement: str, by: str | None) -> None:
    """State that the rows of the statement are read, or log a warning if that cannot be written."""
    # The digest alone: the text of a statement may name persons.
    filters = {"statement_sha256": sha256(statement.encode()).hexdigest()}
    act = read_act(shell_actor(by), of="service.audit.read", filters=filters, ids=None)
    try:
        append_act(path, act)
    except AuditUnusable as error:
        _logger.warning("%s", unstated(act, path, error.reason))

"""The file of API keys at the start: it is readable, the ledger states its keys, and broad ones are named."""

import logging
from pathlib import Path

from service.access.keyring import read_keys
from service.audit.file.database import errors_as_unusable
from service.audit.write.key_acts import record_found
from service.audit.write.logfile import LogFile
from service.errors import AuditUnusable

_MAX_NAMES = 20

_logger = logging.getLogger(__name__)


def prepare_keys(log: LogFile, path: Path) -> None:
    """Check the file of keys, and state those that the ledger does not state; raises KeysUnusable."""
    broad = [key.name for key in read_keys(path) if "read" in key.scopes and key.is_valid]
    if broad:
        _logger.warning(
            "The scope read is that of earlier versions and includes metrics and history. Its keys are %s. "
            "Make others with `python -m service.access new NAME --scope metrics` or `--scope history`, and "
            "revoke these.",
            _listed(broad),
        )
    try:
        with errors_as_unusable(log.path):
            record_found(log, path)
    except AuditUnusable as error:  # The service starts on a full disk too, and is not ready then.
        _logger.warning("The ledger does not state the API keys %s: %s", path, error.reason)


def _listed(names: list[str]) -> str:
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")

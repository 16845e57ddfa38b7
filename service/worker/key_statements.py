"""The ledger's statement of the API keys that change while a worker serves.

A command states its own change. An editor, or a Secret that Kubernetes updates, changes the file alone. So
each worker compares the file with the ledger when its content changes. The first one states what it finds.
"""

import asyncio
import logging
from contextlib import closing
from pathlib import Path

from service.access.keyring import Keyring
from service.audit.file.database import errors_as_unusable
from service.audit.write.key_acts import record_found
from service.audit.write.logfile import LogFile
from service.errors import AuditUnusable, KeysUnusable

_logger = logging.getLogger(__name__)


class KeyStatements:
    """The comparisons of one worker. It belongs to one event loop."""

    def __init__(self, log: Path, keys: Path, keyring: Keyring) -> None:
        self._log, self._keys, self._keyring = log, keys, keyring
        self._compared = keyring.digest
        """Digest of the file that was compared last; the supervising process compared the first."""
        self._comparing: asyncio.Task[None] | None = None
        self._is_failing = False

    def refresh(self) -> None:
        """Compare in a thread if the file has changed; call it each second."""
        is_comparing = self._comparing is not None and not self._comparing.done()
        if not is_comparing and self._keyring.digest != self._compared:
            self._comparing = asyncio.get_running_loop().create_task(self._compare(self._keyring.digest))

    async def _compare(self, digest: bytes) -> None:
        try:
            await asyncio.to_thread(self._record_found)
        except (AuditUnusable, KeysUnusable) as error:  # The next refresh tries again.
            if not self._is_failing:
                _logger.warning("The ledger does not state the changed API keys %s: %s", self._keys, error)
            self._is_failing = True
        else:
            self._compared, self._is_failing = digest, False

    def _record_found(self) -> None:
        with errors_as_unusable(self._log), closing(LogFile(self._log)) as log:
            record_found(log, self._keys)

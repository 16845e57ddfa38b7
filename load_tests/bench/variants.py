"""The service as it is, but for how ``TABENTO_BENCH_VARIANT`` has its predictions recorded.

``bentoml serve load_tests.bench.variants:TabularClassifier``; for ``bench_audit`` alone to compare with:

    off       nothing is recorded: what the audit log costs is the difference
    single    every request gets a transaction of its own, as without group commit
"""

import asyncio
import os

from service.app import TabularClassifier, worker
from service.audit.write.audit_log import AuditLog
from service.audit.write.record import AuditRecord

__all__ = ["TabularClassifier"]


class Unrecorded(AuditLog):
    """Drops every record at once."""

    async def append(self, record: AuditRecord, deadline: float = float("inf")) -> None:
        """Return."""


class OneCommitEach(AuditLog):
    """Hands the writer one record, and the next when that is committed."""

    _turn: asyncio.Lock | None = None

    async def append(self, record: AuditRecord, deadline: float = float("inf")) -> None:
        """Return once the record, and it alone, is committed."""
        if self._turn is None:
            self._turn = asyncio.Lock()
        async with self._turn:
            await super().append(record, deadline)


_VARIANTS = {"off": Unrecorded, "single": OneCommitEach}
_start = worker.start


def _start_variant() -> None:
    _start()
    worker.audit.__class__ = _VARIANTS[os.environ["TABENTO_BENCH_VARIANT"]]


worker.start = _start_variant  # type: ignore[method-assign]

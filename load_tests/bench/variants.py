"""Variants of the service that record predictions differently, as ``TABENTO_BENCH_VARIANT`` says.

``bentoml serve load_tests.bench.variants:TabularClassifier`` serves them, only for ``make bench`` and
``make bench-audit`` to compare with:

    off       records nothing; the difference is the cost of the audit log
    single    commits every request in a transaction of its own, without group commit
"""

import asyncio
import os

from service.app import TabularClassifier, worker
from service.audit.write.audit_log import AuditLog
from service.audit.write.record import AuditRecord

__all__ = ["TabularClassifier"]


class Unrecorded(AuditLog):
    """A log that drops every record."""

    async def append(self, record: AuditRecord, deadline: float = float("inf")) -> None:
        """Do nothing."""


class OneCommitEach(AuditLog):
    """A log that commits one record at a time."""

    _lock: asyncio.Lock | None = None

    async def append(self, record: AuditRecord, deadline: float = float("inf")) -> None:
        """Commit the record in a transaction of its own."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            await super().append(record, deadline)


_VARIANTS = {"off": Unrecorded, "single": OneCommitEach}
_start = worker.start


def _start_variant() -> None:
    _start()
    worker.audit.__class__ = _VARIANTS[os.environ["TABENTO_BENCH_VARIANT"]]


worker.start = _start_variant  # type: ignore[method-assign]

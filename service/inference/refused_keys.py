"""Requests that were refused for their key, summed up in the ledger once a minute.

One act for each request would let anybody without a key fill the disk.
"""

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime
from typing import NamedTuple

from service.audit.act import SERVICE, Act, make_act
from service.audit.utc_text import utc_text
from service.audit.write.audit_log import AuditLog
from service.errors import AuditUnavailable, DeadlineExceeded

INTERVAL_S = 60.0
MAX_COMBINATIONS = 100
"""Counts that an act lists; it sums up the others."""

_logger = logging.getLogger(__name__)


class _Refused(NamedTuple):
    route: str
    """The metrics' label."""
    status: int
    transport: str
    key_name: str | None
    """The key whose scope was missing, or that has expired or was revoked; None: no such key is known."""


class RefusedKeys:
    """The refusals of one worker that the ledger does not state yet. It belongs to one event loop."""

    def __init__(self, audit: AuditLog, interval_s: float = INTERVAL_S) -> None:
        self._audit = audit
        self._interval_s = interval_s
        self._counts: Counter[_Refused] = Counter()
        self._others = 0
        self._since_utc = ""
        self._due: asyncio.TimerHandle | None = None
        self._stating: asyncio.Task[None] | None = None

    def count(self, route: str, status: int, transport: str, key_name: str | None) -> None:
        """Count a refusal; the ledger states it within ``INTERVAL_S``."""
        if not self._since_utc:
            self._since_utc = utc_text(datetime.now(UTC))
        refused = _Refused(route, status, transport, key_name)
        if refused in self._counts or len(self._counts) < MAX_COMBINATIONS:
            self._counts[refused] += 1
        else:
            self._others += 1
        self._schedule()

    async def state(self, deadline: float = float("inf")) -> None:
        """State what was counted, if there is anything; keep it for later if it cannot be written."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if not self._since_utc:
            return
        counts, others, since_utc = self._counts, self._others, self._since_utc
        self._counts, self._others, self._since_utc = Counter(), 0, ""
        try:
            await self._audit.append_act(_act(counts, others, since_utc), deadline)
        except (AuditUnavailable, DeadlineExceeded):
            _logger.warning("the ledger does not state yet which keys were refused: it cannot be written")
            self._put_back(counts, others, since_utc)
            self._schedule()

    def _schedule(self) -> None:
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(self._interval_s, self._state_soon)

    def _state_soon(self) -> None:
        self._due = None
        self._stating = asyncio.ensure_future(self.state())

    def _put_back(self, counts: Counter[_Refused], others: int, since_utc: str) -> None:
        newer, self._counts = self._counts, counts
        self._others += others
        self._since_utc = since_utc
        for refused, count in newer.items():
            if refused in counts or len(counts) < MAX_COMBINATIONS:
                counts[refused] += count
            else:
                self._others += count


def _act(counts: Counter[_Refused], others: int, since_utc: str) -> Act:
    listed = [{**refused._asdict(), "count": count} for refused, count in counts.most_common()]
    total = counts.total() + others
    return make_act(
        "refused", SERVICE, {"since_utc": since_utc, "total": total, "counts": listed, "others": others}
    )

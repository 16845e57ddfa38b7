"""The start and the stop of a worker as acts of the ledger, with the settings that it runs with."""

import asyncio
import logging
import os
from hashlib import sha256
from time import monotonic
from typing import Literal

from pydantic_core import from_json, to_json

from service.audit.act import SERVICE, Act, make_act
from service.audit.write.audit_log import AuditLog
from service.errors import AuditUnavailable, DeadlineExceeded
from service.inference.refused_keys import RefusedKeys
from service.oip.served_model import SERVER_VERSION
from service.settings import Settings

STOP_TIMEOUT_S = 1.0
"""How long the last acts of a worker may take; after that its records are more important."""

_logger = logging.getLogger(__name__)


class WorkerActs:
    """What one worker states of itself. It belongs to one event loop."""

    def __init__(self, settings: Settings, tag: str, audit: AuditLog) -> None:
        self._settings = settings
        self._tag = tag
        self._audit = audit
        self._starting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """State the start, without a delay for the worker."""
        # A reference, because the loop keeps none.
        self._starting = asyncio.get_running_loop().create_task(self._append("start", float("inf")))

    async def stop(self, refused_keys: RefusedKeys) -> None:
        """State the stop, after what was counted before it."""
        deadline = monotonic() + STOP_TIMEOUT_S
        await refused_keys.state(deadline)
        await self._append("stop", deadline)

    async def _append(self, kind: Literal["start", "stop"], deadline: float) -> None:
        try:
            await self._audit.append_act(worker_act(kind, self._settings, self._tag), deadline)
        except (AuditUnavailable, DeadlineExceeded):
            reason = "the ledger does not state the %s of worker %d: it cannot be written"
            _logger.warning(reason, kind, os.getpid())


def worker_act(kind: Literal["start", "stop"], settings: Settings, tag: str) -> Act:
    """The act of this worker, with the digest of its settings and those that are not the defaults.

    The digest is SHA-256 of the settings as JSON with sorted keys and without spaces. Secrets are not in it:
    of keys and certificates, the settings have the paths.
    """
    values = from_json(settings.model_dump_json())
    defaults = from_json(Settings.model_construct().model_dump_json())
    canonical = to_json({name: values[name] for name in sorted(values)})
    return make_act(
        kind,
        SERVICE,
        {
            "pid": os.getpid(),
            "model": tag,
            "service_version": SERVER_VERSION,
            "settings_sha256": sha256(canonical).hexdigest(),
            "settings": {name: value for name, value in values.items() if value != defaults[name]},
        },
    )

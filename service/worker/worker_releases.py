"""The releases of one worker: what it serves when it starts, and how the event loop takes over another.

Only the event loop swaps models and writes to the link of the audit log. The thread that follows the releases
waits for it, then frees the models that have left.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

from service.audit.write.audit_log import AuditLog
from service.errors import StartError
from service.inference.served_models import ServedModels, Serving
from service.model.release.release import single
from service.model.release.release_state import ReleaseState
from service.releases.agreement import Accepted, Agreement
from service.releases.live_workers import Membership
from service.releases.release_places import ReleasePlaces
from service.releases.release_watch import ReleaseWatch
from service.system.memory import free_unused
from service.worker.model_loading import ModelLoader, act_of, newly_loaded

_SWAP_LIMIT_S = 30.0
"""A loop that does not swap within this time hangs, and its worker is killed before."""

_logger = logging.getLogger(__name__)


class WorkerReleases:
    """What one worker serves. ``begin`` comes when its other parts exist."""

    models: ServedModels
    _watch: ReleaseWatch[Serving]

    def __init__(self, places: ReleasePlaces, tag: str, loader: ModelLoader, audit: AuditLog) -> None:
        """Take the model that is served without a release."""
        self._places, self._tag, self._loader, self._audit = places, tag, loader, audit
        # A member first: a release that is accepted from now on is loaded by this worker, too.
        self._membership = _joined(places)
        self._accepted = self._accepted_here()

    def load(self) -> ServedModels:
        """Load what is in force, or else the model that is served without a release; raises StartError."""
        serving = self._serving_at_start()
        for loaded in serving.models:
            self._audit.declare(act_of(loaded.card))
        self.models = ServedModels(serving)
        return self.models

    def begin(self, on_swapped: Callable[[Serving], None]) -> None:
        """Follow the releases. ``on_swapped`` is called in a thread after each swap."""
        self._loop, self._on_swapped = asyncio.get_running_loop(), on_swapped
        self._watch = ReleaseWatch(
            self._places,
            self._membership,
            self.models.current.release,
            self._accepted,
            load=lambda release: self._loader.serving(release, self.models.current),
            take=self._take,
            discard=self._discard,
        )
        self._watch.watch()

    @property
    def state(self) -> ReleaseState:
        """What became of the wanted release."""
        return self._watch.state

    def close(self) -> None:
        """Stop following."""
        self._watch.close()

    def _accepted_here(self) -> Accepted | None:
        accepted = Agreement(self._places.folder, self._places.log).accepted()
        is_ours = accepted is not None and accepted.release.name == self._tag.partition(":")[0]
        return accepted if is_ours else None

    def _serving_at_start(self) -> Serving:
        accepted = self._accepted
        if accepted is None:
            return self._without_release()
        try:
            return self._loader.serving(accepted.release)
        except StartError as error:
            _logger.error("The release in force cannot be served: %s", error)
        self._accepted = None  # It is tried again, and then told.
        try:
            return Serving(accepted.release, self._loader.load(accepted.release.champion))
        except StartError:
            return self._without_release()

    def _without_release(self) -> Serving:
        release = single(self._tag, uuid4().hex, datetime.now(UTC))
        return Serving(release, self._loader.load(self._tag))

    def _take(self, serving: Serving) -> None:
        """Have the loop serve other models, and return when those that left are freed."""
        done: Future[None] = Future()
        self._loop.call_soon_threadsafe(self._swap, serving, done)
        done.result(_SWAP_LIMIT_S)
        asyncio.run_coroutine_threadsafe(self.models.settled(), self._loop).result()
        try:
            self._on_swapped(serving)
        except Exception:  # What follows the models shows them; the models are served.
            _logger.exception("not every part of this worker knows the release that is served")
        free_unused()

    def _swap(self, serving: Serving, done: "Future[None]") -> None:
        try:
            # The log holds the card of a model before its first record.
            for loaded in newly_loaded(serving, self.models.current):
                self._audit.declare(act_of(loaded.card))
            self.models.swap(serving)
        except BaseException as error:
            done.set_exception(error)
            raise
        done.set_result(None)

    def _discard(self, serving: Serving) -> None:
        for loaded in newly_loaded(serving, self.models.current):
            with suppress(RuntimeError, CancelledError):  # The loop ends.
                asyncio.run_coroutine_threadsafe(loaded.engine.close(), self._loop).result()


def _joined(places: ReleasePlaces) -> Membership | None:
    """The membership of this worker; None if there can be none now, as on a full disk."""
    try:
        return Membership(places.folder)
    except OSError as error:
        _logger.error("The releases in %s cannot be followed yet: %s", places.folder, error)
        return None

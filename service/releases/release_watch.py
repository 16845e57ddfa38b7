"""A worker's way from one release to the next: it follows the release file and the agreement of the workers.

A thread looks twice a second. It loads and verifies a new release beside the one that is served, votes, and
has the event loop swap the models when all workers accepted it. Whatever goes wrong changes nothing.
"""

import logging
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

from service.errors import AuditUnusable, ReleaseUnusable, StartError
from service.model.release.release import Release
from service.model.release.release_state import NO_RELEASE, ReleaseState
from service.releases.agreement import Accepted, Agreement, Vote
from service.releases.live_workers import Membership
from service.releases.release_places import ReleasePlaces
from service.releases.wanted_release import wanted_release

LOOK_INTERVAL_S = 0.5
DECISION_INTERVAL_S = 0.05
"""How often the votes of the others are looked at."""
DECISION_LIMIT_S = 60.0
"""After this time, a release for which votes are missing is refused."""
_RETRY_S = 10.0
"""How long a worker waits after it could not load what the others serve."""

_logger = logging.getLogger("bentoml.tabento.releases")


LoadedT = TypeVar("LoadedT")
"""The loaded models of a release."""


class _Prepared(NamedTuple, Generic[LoadedT]):
    release: Release
    loaded: LoadedT


class ReleaseWatch(Generic[LoadedT]):
    """Follows the releases of one worker. All but ``state`` and ``close`` belongs to its thread."""

    def __init__(
        self,
        places: ReleasePlaces,
        membership: Membership | None,
        served: Release,
        accepted: Accepted | None,
        *,
        load: Callable[[Release], LoadedT],
        take: Callable[[LoadedT], None],
        discard: Callable[[LoadedT], None],
        limit_s: float = DECISION_LIMIT_S,
    ) -> None:
        """Take the release that is served, and its acceptance, if it was accepted.

        Without a membership, as on a full disk, this worker becomes a member as soon as it can.

        ``load`` loads and verifies the models of a release beside those that are served, ``take`` returns
        when they are served, ``discard`` releases loaded models that are not taken.
        """
        self._places, self._membership = places, membership
        self._name = served.name
        self._agreement = Agreement(places.folder, places.log)
        self._load, self._take, self._discard = load, take, discard
        self._limit_s = limit_s
        self._number = 0 if accepted is None else accepted.number
        self._served: Release | None = None if accepted is None else accepted.release
        self._prepared: _Prepared[LoadedT] | None = None
        self._asked: tuple[tuple[int, str], float] | None = None
        """The release that is voted on, and since when."""
        self._retry_at = 0.0
        self._closing = Event()
        self.state = NO_RELEASE
        self._report(served)

    def watch(self) -> None:
        """Follow the releases in a thread, until ``close``."""
        Thread(target=self._watch, name="releases", daemon=True).start()

    def close(self) -> None:
        """Stop following, and be no member of the agreement any more; waits for no disk."""
        self._closing.set()
        if self._membership is not None:
            self._membership.leave()

    def refresh(self) -> bool:
        """Look once; returns whether a decision is being made. Raises OSError."""
        if self._membership is None:
            self._membership = Membership(self._places.folder)
        accepted = self._agreement.accepted()
        if accepted is not None and accepted.number > self._number and accepted.release.name == self._name:
            self._take_accepted(accepted)
            return False
        try:
            wanted = wanted_release(self._places)
        except ReleaseUnusable as error:
            return self._tell(ReleaseState("refused", str(error)))
        if wanted is None:
            return self._tell(self._without_file())
        if wanted == self._served:
            return self._tell(ReleaseState("in force"))
        if self._served is not None and wanted.release_id == self._served.release_id:
            reason = (
                f"The release file {self._places.file} differs from the release in force, and has its id."
            )
            return self._tell(ReleaseState("refused", f"{reason} Give it another release_id."))
        if wanted.name != self._name:
            reason = f"The release file {self._places.file} is of models {wanted.name}, not {self._name}."
            return self._tell(ReleaseState("refused", reason))
        return self._agree(wanted, self._membership.worker)

    def _agree(self, wanted: Release, worker: str) -> bool:
        asked = self._number, wanted.release_id
        refusal = self._agreement.refusal(self._number, wanted)
        if refusal is not None:
            self._forget_prepared()
            return self._tell(ReleaseState("refused", " ".join(refusal.reasons)))
        if self._asked is None or self._asked[0] != asked:
            self._forget_prepared()
            self._asked = asked, monotonic()
            self._tell(ReleaseState("loading", f"The release {wanted.release_id} is loaded and verified."))
            self._agreement.vote(self._number, wanted, worker, self._prepare(wanted))
        is_late = monotonic() - self._asked[1] > self._limit_s
        try:
            self._agreement.decide(self._number, wanted, is_late=is_late)
        except AuditUnusable as error:
            reason = f"The release is not in force: the ledger cannot state it. {error}"
            self._tell(ReleaseState("loading", reason))
        return True

    def _prepare(self, wanted: Release) -> Vote:
        try:
            self._prepared = _Prepared(wanted, self._load(wanted))
        except StartError as error:
            return Vote(reason=str(error))
        except Exception as error:  # A model comes from outside: a worker that serves goes on.
            _logger.exception("the models of the release %s cannot be loaded", wanted.release_id)
            return Vote(reason=f"{' and '.join(wanted.tags)} cannot be loaded: {error!r}.")
        return Vote()

    def _take_accepted(self, accepted: Accepted) -> None:
        if monotonic() < self._retry_at:
            return
        release = accepted.release
        if self._prepared is None or self._prepared.release != release:
            self._forget_prepared()
            vote = self._prepare(release)
            if vote.reason is not None:
                self._retry_at = monotonic() + _RETRY_S
                self._tell(ReleaseState("refused", vote.reason))
                return
        prepared, self._prepared, self._asked = self._prepared, None, None
        if prepared is None:
            return
        self._take(prepared.loaded)
        self._number, self._served = accepted.number, release
        self._report(release)
        self._tell(ReleaseState("in force"))

    def _without_file(self) -> ReleaseState:
        if self._served is None:
            return NO_RELEASE
        reason = f"There is no release file {self._places.file}: {self._served.release_id} stays in force."
        return ReleaseState("none", reason)

    def _forget_prepared(self) -> None:
        if self._prepared is not None:
            self._discard(self._prepared.loaded)
        self._prepared = self._asked = None

    def _report(self, served: Release) -> None:
        if self._membership is not None:
            self._membership.report(None if self._served is None else served.release_id, served.tags)

    def _tell(self, state: ReleaseState) -> bool:
        before, self.state = self.state, state
        if state == before:
            return False
        if state.state == "in force" and self._served is not None:
            _logger.info("The release %s is in force: %s", self._served.release_id, described(self._served))
        elif state.state == "loading" and before.state != "loading":
            _logger.info("%s", state.reason)
        elif state.reason:
            _logger.warning("The wanted release is not in force. %s", state.reason)
        return False

    def _watch(self) -> None:
        interval_s = 0.0
        while not self._closing.wait(interval_s):
            try:
                interval_s = DECISION_INTERVAL_S if self.refresh() else LOOK_INTERVAL_S
            except Exception as error:  # Such as a folder on a disk that is full; what is served stays.
                if self._closing.is_set():
                    return
                interval_s = LOOK_INTERVAL_S
                self._tell(ReleaseState("refused", f"The releases cannot be followed: {error!r}."))


def described(release: Release) -> str:
    """What is served, in a few words."""
    if release.challenger is None:
        return f"{release.champion} alone"
    share = f", share {release.share:g}" if release.is_routed else ""
    return f"{release.champion}, with {release.challenger} in {release.mode}{share}"

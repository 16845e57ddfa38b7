"""The swaps: one release after another, each in force with every worker before the next."""

import random
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from uuid import uuid4

from service.model.release.release import Mode, Release
from service.releases.agreement import Agreement
from service.releases.live_workers import live_workers
from service.releases.release_places import ReleasePlaces
from service.releases.wanted_release import change
from service.settings import Settings

_LIMIT_S = 90.0
_STEP_S = 0.02
_MODES: tuple[Mode, ...] = ("single", "shadow", "canary", "ab")


class Exchange:
    """Changes the release of one service."""

    def __init__(self, log: Path, tags: tuple[str, ...], seed: int) -> None:
        name = tags[0].partition(":")[0]
        self._places = ReleasePlaces.of(Settings(audit_db=log), name)
        self._agreement = Agreement(self._places.folder, log)
        self._tags = tags
        self._random = random.Random(seed)
        self._before: str | None = None
        self.seconds: list[float] = []
        """From each change until every worker served it."""

    def next(self) -> Release:
        """Put another release in force; raises TimeoutError if the workers do not take it in time."""
        release = self._made()
        began = monotonic()
        change(self._places, release, instead_of=self._before)
        self._before = release.release_id
        while not self._is_served(release):
            if monotonic() - began > _LIMIT_S:
                raise TimeoutError(f"the release {release} is not in force after {_LIMIT_S:.0f} s")
            sleep(_STEP_S)
        self.seconds.append(monotonic() - began)
        return release

    @property
    def workers(self) -> int:
        """The workers that serve the release in force."""
        return len([each for each in live_workers(self._places.folder) if each.release_id == self._before])

    def await_workers(self, number: int) -> None:
        """Return when so many workers serve the release in force; raises TimeoutError."""
        began = monotonic()
        while self.workers != number:
            if monotonic() - began > _LIMIT_S:
                raise TimeoutError(f"{self.workers} workers serve after {_LIMIT_S:.0f} s, not {number}")
            sleep(_STEP_S)

    def _is_served(self, release: Release) -> bool:
        accepted = self._agreement.accepted()
        if accepted is None or accepted.release.release_id != release.release_id:
            return False
        return all(worker.release_id == release.release_id for worker in live_workers(self._places.folder))

    def _made(self) -> Release:
        mode = self._random.choice(_MODES)
        champion, challenger = self._random.sample(self._tags, 2)
        release_id = uuid4().hex
        is_routed = mode in ("canary", "ab")
        return Release(
            release_id=release_id,
            since_utc=datetime.now(UTC),
            champion=champion,
            challenger=None if mode == "single" else challenger,
            mode=mode,
            share=self._random.choice((0.1, 0.5)) if is_routed else 0.0,
            salt=release_id,
            reason="a swap under load",
        )

"""What the workers of a service make of a changed release, awaited by the command that changed it."""

from time import monotonic, sleep
from typing import NamedTuple

from service.model.release.release import Release
from service.releases.agreement import Agreement
from service.releases.live_workers import live_workers
from service.releases.release_places import ReleasePlaces

_INTERVAL_S = 0.05


class Decision(NamedTuple):
    """What became of a release until the time was over."""

    workers: int
    """Workers that are alive."""
    serving: int
    """Workers that serve the release."""
    reasons: tuple[str, ...] = ()
    """Why it was refused."""

    @property
    def is_made(self) -> bool:
        """Whether nothing more is to be awaited."""
        return bool(self.reasons) or self.serving == self.workers


def await_decision(places: ReleasePlaces, release: Release, wait_s: float) -> Decision:
    """The decision of the workers, or the state when the time is over; at once if no worker runs."""
    until = monotonic() + wait_s
    while not (decision := _decision(places, release)).is_made and monotonic() < until:
        sleep(_INTERVAL_S)
    return decision


def _decision(places: ReleasePlaces, release: Release) -> Decision:
    workers = live_workers(places.folder)
    refusal = Agreement(places.folder, places.log).any_refusal(release)
    serving = sum(worker.release_id == release.release_id for worker in workers)
    return Decision(len(workers), serving, refusal.reasons if refusal else ())

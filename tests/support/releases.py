"""Releases, and processes that agree on them as the workers of a service do.

``python -m tests.support.releases FILE FOLDER LOG SECONDS REFUSED LIMIT`` is such a process: it takes so many
seconds to load a release, and refuses one with the challenger that is named.
"""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from uuid import uuid4

from service.errors import ModelUnusable
from service.model.release.release import Release, single
from service.releases.agreement import Agreement
from service.releases.live_workers import Membership, WorkerReport, live_workers
from service.releases.release_places import ReleasePlaces
from service.releases.release_watch import ReleaseWatch
from service.system.module_process import start_module
from tests.support.waiting import await_true

NAME = "model"
FIRST, SECOND, THIRD = (f"{NAME}:{version}" for version in ("one", "two", "three"))


def release(champion: str = FIRST, challenger: str | None = None, **more: object) -> Release:
    """A release of this moment; with a challenger, in shadow."""
    values = {"release_id": uuid4().hex, "since_utc": datetime.now(UTC), "champion": champion}
    trial = {} if challenger is None else {"challenger": challenger, "mode": "shadow"}
    return Release.model_validate({**values, **trial, **more})


def places_in(folder: Path) -> ReleasePlaces:
    """The files of the releases of a service whose log is in the folder."""
    log = folder / "audit.db"
    return ReleasePlaces(folder / f"{NAME}.release.json", folder / "audit.db.releases" / NAME, log)


class Workers:
    """Processes that agree on the releases in a folder."""

    def __init__(self, places: ReleasePlaces) -> None:
        self.places = places
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *, seconds: float = 0.0, refused: str = "-", limit_s: float = 60.0) -> None:
        """Start one, and wait until it is a member."""
        members = len(self.reports())
        arguments = map(str, (*self.places, seconds, refused, limit_s))
        self.processes.append(start_module("tests.support.releases", *arguments))
        await_true(lambda: len(self.reports()) > members, "the worker is a member")

    def reports(self) -> list[WorkerReport]:
        """What the live ones serve."""
        return live_workers(self.places.folder)

    def await_serving(self, wanted: Release, number: int) -> None:
        """Wait until so many serve the release."""
        await_true(
            lambda: [each.release_id for each in self.reports()] == [wanted.release_id] * number,
            f"{number} workers serve {wanted.release_id}",
            state=self.reports,
        )

    def stop(self) -> None:
        """End all of them."""
        for process in self.processes:
            process.kill()
            process.wait()


def _work(places: ReleasePlaces, seconds: float, refused: str, limit_s: float) -> None:
    def load(wanted: Release) -> Release:
        sleep(seconds)
        if wanted.challenger == refused:
            raise ModelUnusable(refused, "it is refused here")
        return wanted

    membership = Membership(places.folder)
    accepted = Agreement(places.folder, places.log).accepted()
    watch: ReleaseWatch[Release] = ReleaseWatch(
        places,
        membership,
        single(FIRST, uuid4().hex, datetime.now(UTC)) if accepted is None else accepted.release,
        accepted,
        load=load,
        take=lambda _: None,
        discard=lambda _: None,
        limit_s=limit_s,
    )
    watch.watch()
    while True:
        sleep(60)


if __name__ == "__main__":
    file, folder, log = map(Path, sys.argv[1:4])
    _work(ReleasePlaces(file, folder, log), float(sys.argv[4]), sys.argv[5], float(sys.argv[6]))

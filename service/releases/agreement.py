"""The agreement of the workers of a service: all of them take a release, or none does.

    wanted -> each worker loads it, and votes -> one worker decides -> each worker serves it

``accepted.json`` is the last accepted release, and its number. It is replaced in one step, so a decision
exists or does not. Votes and a refusal are about one release after one number: when another release was
accepted since, they count no more. Who decides holds a lock. So a worker that dies at any moment, also while
it decides, leaves the decision to the others: only the votes of workers that are alive are awaited.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from service.model.release.release import Release
from service.releases import release_acts
from service.releases.live_workers import live_workers, names
from service.releases.release_file import replace_file

MAX_REFUSALS = 32
"""Of the newest refusals; older ones are deleted."""

_ABANDONED_AFTER_S = 3_600.0

_PartT = TypeVar("_PartT", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Accepted(_Part):
    """The release in force."""

    number: int
    """How many releases have been accepted, with this one."""
    release: Release
    workers: int
    accepted_utc: AwareDatetime


class Vote(_Part):
    """One worker's."""

    reason: str | None = None
    """Why it cannot serve the release; null if it can."""


class Refusal(_Part):
    """Why a release is not in force."""

    release: Release
    reasons: tuple[str, ...]
    refused_utc: AwareDatetime


class Agreement:
    """The agreement in one folder, as one process takes part in it or looks at it."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self._log = log

    def accepted(self) -> Accepted | None:
        """The release in force; None if none was accepted yet."""
        return _read(self.folder / "accepted.json", Accepted)

    def refusal(self, after: int, release: Release) -> Refusal | None:
        """The refusal of a release, if it was refused after the accepted release of that number."""
        return _read(self.folder / f"refused-{after}-{release.release_id}.json", Refusal)

    def any_refusal(self, release: Release) -> Refusal | None:
        """The refusal of a release, whenever it was."""
        found = [_read(file, Refusal) for file in self.folder.glob(f"refused-*-{release.release_id}.json")]
        return next((refusal for refusal in found if refusal is not None), None)

    def vote(self, after: int, release: Release, worker: str, vote: Vote) -> None:
        """Give a worker's vote; raises OSError."""
        replace_file(self._vote_file(after, release, worker), vote.model_dump_json().encode())

    def decide(self, after: int, release: Release, *, is_late: bool) -> bool:
        """Decide, if that is possible now; returns whether there is a decision, by this or another process.

        ``is_late`` refuses a release for which votes are still missing. Raises AuditUnusable and OSError with
        nothing decided: a release is in force only if the ledger states it.
        """
        with self._deciding() as may_decide:
            if not may_decide:
                return False
            if self._number() != after or self.refusal(after, release) is not None:
                return True
            if self._follow_ledger(after, release):
                return True
            workers = [*names(live_workers(self.folder))]
            votes = {worker: self._read_vote(after, release, worker) for worker in workers}
            reasons = [vote.reason for vote in votes.values() if vote is not None and vote.reason]
            missing = [worker for worker, vote in votes.items() if vote is None]
            if missing and is_late:
                reasons += [f"worker {worker.partition('-')[0]} did not answer in time" for worker in missing]
            if reasons:
                reasons = [*dict.fromkeys(reasons)]
                release_acts.state_refused(self._log, after, release, reasons)
                self._refuse(after, release, reasons)
            elif missing or not workers:
                return False
            else:
                release_acts.state_in_force(self._log, after + 1, release, len(workers))
                self._accept(after + 1, release, len(workers))
            return True

    def _follow_ledger(self, after: int, release: Release) -> bool:
        """Follow a decision that was stated by a worker that died before the others could see it."""
        stated = release_acts.stated_decision(self._log, after, release)
        if stated is None:
            return False
        if stated["action"] == release_acts.IN_FORCE:
            self._accept(after + 1, release)
        else:
            self._refuse(after, release, stated["reasons"])
        return True

    def _accept(self, number: int, release: Release, workers: int = 0) -> None:
        workers = workers or len(live_workers(self.folder))
        accepted = Accepted(number=number, release=release, workers=workers, accepted_utc=_now())
        replace_file(self.folder / "accepted.json", accepted.model_dump_json(indent=2).encode())
        self._remove_others(number, ("vote", "refused"))

    def _refuse(self, after: int, release: Release, reasons: Sequence[str]) -> None:
        refusal = Refusal(release=release, reasons=tuple(reasons), refused_utc=_now())
        file = self.folder / f"refused-{after}-{release.release_id}.json"
        replace_file(file, refusal.model_dump_json(indent=2).encode())
        self._remove_others(after, ("vote",))
        self._remove_old_refusals()

    def _remove_others(self, number: int, kinds: Sequence[str]) -> None:
        """Delete what is about an earlier number."""
        for kind in kinds:
            for file in self.folder.glob(f"{kind}-*.json"):
                if not file.name.startswith(f"{kind}-{number}-"):
                    file.unlink(missing_ok=True)

        for file in self.folder.glob(".*"):  # Of processes that died while they wrote.
            with suppress(FileNotFoundError):  # Its writer has finished.
                if time() - file.stat().st_mtime > _ABANDONED_AFTER_S:
                    file.unlink()

    def _remove_old_refusals(self) -> None:
        files = sorted(self.folder.glob("refused-*.json"), key=lambda file: file.stat().st_mtime_ns)
        for file in files[:-MAX_REFUSALS]:
            file.unlink(missing_ok=True)

    def _number(self) -> int:
        accepted = self.accepted()
        return 0 if accepted is None else accepted.number

    def _vote_file(self, after: int, release: Release, worker: str) -> Path:
        return self.folder / f"vote-{after}-{release.release_id}-{worker}.json"

    def _read_vote(self, after: int, release: Release, worker: str) -> Vote | None:
        return _read(self._vote_file(after, release, worker), Vote)

    @contextmanager
    def _deciding(self) -> Iterator[bool]:
        """Hold the lock; yields whether this process holds it. The kernel releases it if the process dies."""
        descriptor = os.open(self.folder / "decide.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = True
        except BlockingIOError:
            is_ours = False
        try:
            yield is_ours
        finally:
            os.close(descriptor)


def _read(path: Path, type_: type[_PartT]) -> _PartT | None:
    """The content of a file; None if there is none. Files are replaced in one step, so they are whole."""
    try:
        return type_.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _now() -> datetime:
    return datetime.now(UTC)

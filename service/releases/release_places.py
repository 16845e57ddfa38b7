"""Where the releases of one model name are: the file, and the folder of agreement beside the audit log."""

from pathlib import Path
from typing import NamedTuple

from service.settings import Settings


class ReleasePlaces(NamedTuple):
    """The files of the releases of one model name."""

    file: Path
    """The release file."""
    folder: Path
    """What the workers of a service on this machine agree with."""
    log: Path
    """The audit log, whose ledger states each change."""

    @classmethod
    def of(cls, settings: Settings, name: str) -> "ReleasePlaces":
        """Those of the settings."""
        log = settings.audit_db
        return cls(settings.release_path(name), _folder_of(log) / name, log)

    def override(self, release_id: str) -> Path:
        """The file of a release that supersedes another one on this machine alone."""
        return self.folder / f"rollback-{release_id}.json"

    @property
    def change_lock(self) -> Path:
        """Held by a command that changes the release."""
        return self.folder / "change.lock"


def folders_of(log: Path) -> list[Path]:
    """The folders of agreement of every model name beside a log."""
    return sorted(_folder_of(log).glob("*/"))


def _folder_of(log: Path) -> Path:
    return log.with_name(f"{log.name}.releases")

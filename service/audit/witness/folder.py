"""A folder as a witness: ``FOLDER/LOG_ID/SIZE.checkpoint``, each file written once and never replaced."""

import os
from collections.abc import Sequence
from pathlib import Path

from service.audit.witness.witnesses import Kept, WitnessFailed, note_name
from service.system.durable import sync


class FolderWitness:
    """A folder, best on another machine or on a medium that is written once."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder

    def take(self, log_id: str, size: int, note: str) -> None:
        """Write the checkpoint, unless the folder has it; raises WitnessFailed, also if it has another."""
        if not self._folder.is_dir():
            raise WitnessFailed(f"there is no folder {self._folder}")
        path = self._folder / log_id / note_name(size)
        try:
            path.parent.mkdir(exist_ok=True)
            if not path.exists():
                _write(path, note)
            found = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise WitnessFailed(f"{path}: {error}") from error
        if found != note:
            raise WitnessFailed(f"{path} is another checkpoint of the same size")

    def kept(self, log_id: str) -> Sequence[Kept]:
        """The checkpoints in the folder."""
        if not self._folder.is_dir():
            raise WitnessFailed(f"there is no folder {self._folder}")
        try:
            files = sorted((self._folder / log_id).glob("*.checkpoint"))
            return [Kept(str(file), file.read_text(errors="replace")) for file in files]
        except OSError as error:
            raise WitnessFailed(f"{error.filename}: {error.strerror}") from error


def _write(path: Path, note: str) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("x") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)  # Unlike a rename, it never replaces a file.
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)

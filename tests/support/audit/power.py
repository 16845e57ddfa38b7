"""A disk that forgets: what SQLite wrote and synced is recorded, and cut off after any of its steps.

``recording`` puts a VFS of its own between SQLite and the operating system, as the default of the process,
so the product's own code writes through it unknowingly. ``Disk`` takes the recorded steps again and says
what a loss of power would leave.

The model is that of POSIX, at its worst. Data is safe once its own file was synced. Until then each write
and truncation is kept, lost, or torn at 512 bytes, independently of those before and after it. A file's
making and removal are safe once its folder was synced, and SQLite does that along with the first sync of a
journal or a WAL that it made (``UNIXFILE_DIRSYNC`` in its ``os_unix.c``); until then only the first few of
them have happened. Bytes once synced stay whole where they are not written (``powersafe_overwrite``, which
SQLite assumes). The ``-shm`` file is memory: it is gone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import apsw

SECTOR_BYTES = 512

_REAL = "unix"
"""The VFS that is the default otherwise."""


class Write(NamedTuple):
    file: str
    offset: int
    data: bytes


class Truncation(NamedTuple):
    file: str
    size: int


class Sync(NamedTuple):
    file: str


class Making(NamedTuple):
    file: str


class Removal(NamedTuple):
    file: str
    folder_synced: bool


class Acknowledgement(NamedTuple):
    """No step of the disk: from here on this record has been promised."""

    request_id: str


Step = Write | Truncation | Sync | Making | Removal | Acknowledgement


class _File(apsw.VFSFile):
    def __init__(self, steps: list[Step], filename: str | apsw.URIFilename | None, flags: list[int]) -> None:
        text = filename.filename() if isinstance(filename, apsw.URIFilename) else filename
        self._steps = steps
        self._name = Path(text or "temporary").name
        # One that the record does not know was made, empty and private, just before it was opened.
        is_new = text is not None and (not Path(text).exists() or not _is_known(steps, self._name))
        super().__init__(_REAL, filename, flags)
        if is_new:
            steps.append(Making(self._name))

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's names
        self._steps.append(Write(self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._steps.append(Truncation(self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._steps.append(Sync(self._name))


def _is_known(steps: list[Step], file: str) -> bool:
    of_file = (step for step in reversed(steps) if isinstance(step, Making | Removal) and step.file == file)
    return isinstance(next(of_file, None), Making)


class _Recorder(apsw.VFS):
    def __init__(self, steps: list[Step]) -> None:
        self._steps = steps
        super().__init__("recorder", _REAL, makedefault=True)

    def xOpen(  # noqa: N802
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return _File(self._steps, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self._steps.append(Removal(Path(filename).name, syncdir))


@contextmanager
def recording() -> Iterator[list[Step]]:
    """While it lasts, every step that SQLite takes on a disk is added to the list."""
    steps: list[Step] = []
    recorder = _Recorder(steps)
    try:
        yield steps
    finally:
        recorder.unregister()


class _Inode:
    def __init__(self) -> None:
        self.safe = bytearray()
        self.unsynced: list[Write | Truncation] = []

    def survivor(self, choose: "Choice") -> bytes:
        content = bytearray(self.safe)
        for step in self.unsynced:
            for part in choose(step):
                _apply(content, part)
        return bytes(content)


Choice = Callable[[Write | Truncation], list[Write | Truncation]]
"""What of an unsynced step has reached the disk all the same."""


def everything(step: Write | Truncation) -> list[Write | Truncation]:
    """The operating system lives on: only the process was killed."""
    return [step]


def nothing(_: Write | Truncation) -> list[Write | Truncation]:
    return []


def anything(random: Random) -> Choice:
    """Each step is kept, lost or torn, by chance."""

    def choose(step: Write | Truncation) -> list[Write | Truncation]:
        fate = random.random()
        if fate < 0.4:
            return [step]
        if fate < 0.7 or isinstance(step, Truncation):
            return []
        return [sector for sector in _sectors(step) if random.random() < 0.5]

    return choose


class Disk:
    """The files of a folder: what is seen of them, and what of them is safe."""

    def __init__(self) -> None:
        self._seen: dict[str, _Inode] = {}
        self._safe: dict[str, _Inode] = {}
        self._unsynced_entries: list[tuple[str, _Inode | None]] = []
        """Files that were made, or with None removed, since the folder was synced."""

    def take(self, step: Step) -> None:
        match step:
            case Making(file):
                self._seen[file] = _Inode()
                self._unsynced_entries.append((file, self._seen[file]))
            case Removal(file, folder_synced):
                del self._seen[file]
                self._unsynced_entries.append((file, None))
                if folder_synced:
                    self._sync_folder()
            case Write(file) | Truncation(file):
                self._seen[file].unsynced.append(step)
            case Sync(file):
                self._sync(file)

    def after_power_loss(self, choose: Choice, entries: float) -> dict[str, bytes]:
        """The files as they are found; ``entries`` is the fraction of the folder's unsynced ones that is."""
        found = dict(self._safe)
        for file, inode in self._unsynced_entries[: round(entries * len(self._unsynced_entries))]:
            if inode is None:
                found.pop(file, None)
            else:
                found[file] = inode
        return {file: inode.survivor(choose) for file, inode in found.items()}

    def _sync(self, file: str) -> None:
        inode = self._seen[file]
        for step in inode.unsynced:
            _apply(inode.safe, step)
        inode.unsynced.clear()
        is_new = any(made is inode for _, made in self._unsynced_entries)
        if is_new and file.endswith(("-wal", "-journal")):
            self._sync_folder()

    def _sync_folder(self) -> None:
        self._safe = dict(self._seen)
        self._unsynced_entries.clear()


def _apply(content: bytearray, step: Write | Truncation) -> None:
    if isinstance(step, Truncation):
        size = step.size
        del content[size:]
    else:
        size = step.offset + len(step.data)
    content.extend(bytes(max(0, size - len(content))))
    if isinstance(step, Write):
        content[step.offset : size] = step.data


def _sectors(write: Write) -> Iterator[Write]:
    start, end = write.offset, write.offset + len(write.data)
    while start < end:
        stop = min(end, start - start % SECTOR_BYTES + SECTOR_BYTES)
        yield Write(write.file, start, write.data[start - write.offset : stop - write.offset])
        start = stop

"""The file of keys as a file: read without waiting, changed by one command at a time, replaced in one step.

``keyring.py`` has its content.

A reader has to notice that the file changed, and a stamp of the file is not enough: a file that is written
twice within one tick of the file system's clock, with the same length, has the same stamp both times. So a
stamp is trusted only if the file was read again, unchanged, later than any such tick.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

from service.errors import KeysUnusable
from service.system.durable import sync

_TRIES = 3
"""Attempts to read a file that is being written in place."""
_LOCK_TIMEOUT_S = 30.0
_LOCK_INTERVAL_S = 0.01
_OWNER_ONLY = 0o600


class Stamp(NamedTuple):
    """Attributes of a file that change when it is written, replaced, or given other rights."""

    device: int
    inode: int
    mtime_ns: int
    ctime_ns: int
    size: int


def stamp(path: Path) -> Stamp:
    """The present stamp of a file; raises KeysUnusable."""
    try:
        return _stamp(path.stat())
    except OSError as error:
        raise KeysUnusable(path, _reason(error)) from error


def read_file(path: Path) -> tuple[bytes, Stamp]:
    """The content of a regular file, and its stamp, which was the same before and after the read.

    Raises KeysUnusable, also for a pipe or a device, which could block a reader for ever.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            return _read_unchanged(path, descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise KeysUnusable(path, _reason(error)) from error


def _read_unchanged(path: Path, descriptor: int) -> tuple[bytes, Stamp]:
    for _ in range(_TRIES):
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise KeysUnusable(path, "it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            file.seek(0)
            content = file.read()
        if _stamp(os.fstat(descriptor)) == _stamp(before):
            return content, _stamp(before)
    raise KeysUnusable(path, "it is being written")


@contextmanager
def locked(path: Path) -> Iterator[Path]:
    """Hold the lock of the file; yields its path, with links resolved.

    Raises KeysUnusable if the lock cannot be taken.
    """
    try:
        target = path.resolve()
        lock = _open_lock(target)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other
        raise KeysUnusable(path, _reason(error)) from error
    try:
        _take(lock, path)
        yield target
    finally:
        os.close(lock)


def replace_file(target: Path, content: bytes) -> None:
    """Replace or create a locked file in one step; raises KeysUnusable.

    A new file is private to its owner; an old one keeps its owner and rights. A reader gets the old content
    or the new, whatever fails in between.
    """
    # A fixed name, so that the next command removes what a killed command left.
    new = target.with_name(f"{target.name}.new")
    try:
        new.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, _OWNER_ONLY), "wb") as file:
            _keep_rights(target, file.fileno())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
        sync(target.parent)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        raise KeysUnusable(target, _reason(error)) from error


def _keep_rights(target: Path, descriptor: int) -> None:
    try:
        status = target.stat()
    except FileNotFoundError:
        return
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))


def _open_lock(target: Path) -> int:
    # A file of its own, because every change replaces the file of keys.
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(target.with_name(f"{target.name}.lock"), flags, _OWNER_ONLY)
    with suppress(OSError):
        # If root creates it, it still belongs to the owner of the keys.
        owner = target.stat()
        os.fchown(lock, owner.st_uid, owner.st_gid)
    return lock


def _take(lock: int, path: Path) -> None:
    until = monotonic() + _LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if monotonic() > until:
                raise KeysUnusable(path, "another command has held its lock for 30 s") from error
            sleep(_LOCK_INTERVAL_S)
        except OSError as error:
            raise KeysUnusable(path, _reason(error)) from error
        else:
            return


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


def _reason(error: OSError | RuntimeError) -> str:
    return getattr(error, "strerror", None) or str(error)

"""The release file: read by every worker, replaced in one step by commands.

A file that is half-written, too large or of another format is refused, and changes nothing. A command that
changes it holds a lock on a file beside it, and states which release it has seen: two commands at once do not
undo each other.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE
from uuid import uuid4

from pydantic import ValidationError

from service.errors import ReleaseUnusable
from service.model.release.release import Release
from service.system.durable import sync

MAX_BYTES = 64 * 1024
_NEW_MODE = 0o644


def read_release(path: Path) -> Release | None:
    """The release in a file, None if there is no file; raises ReleaseUnusable."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ReleaseUnusable(path, error.strerror or repr(error)) from error
    if len(content) > MAX_BYTES:
        raise ReleaseUnusable(path, f"it is longer than {MAX_BYTES} bytes")
    try:
        return Release.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"]))
        raise ReleaseUnusable(path, f"{at}: {first['msg']}" if at else first["msg"]) from error


def write_release(path: Path, release: Release) -> None:
    """Replace a file in one step, with the mode that it had; raises OSError, with nothing changed."""
    replace_file(path, release.model_dump_json(indent=2).encode() + b"\n")


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file's content in one step that survives the loss of power; raises OSError."""
    new = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with new.open("xb") as file:
            os.fchmod(file.fileno(), _mode_of(path))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    sync(path.parent)


def _mode_of(path: Path) -> int:
    try:
        return S_IMODE(path.stat().st_mode)
    except OSError:
        return _NEW_MODE


def is_replaceable(path: Path) -> bool:
    """Whether the file can be replaced; a mounted ConfigMap cannot, even if its folder says so."""
    probe = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        probe.unlink()
    except OSError:
        return False
    # A file that Kubernetes replaces is a link into a folder that is replaced as a whole.
    return not path.is_symlink()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Exclude other holders of the lock in this file, which is made if it does not exist; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

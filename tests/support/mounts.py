"""A small filesystem of its own for a test to fill up, break and mend: ext4 in an image, on a loop device."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE_S, await_true

SIZE_BYTES = 24 * 1024**2


class CannotMount(Exception):
    """Mounting needs root and a loop device, which a container may not have."""


@dataclass
class Filesystem:
    image: Path
    folder: Path

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self) -> None:
        """Take all the room that is left, to the last block."""
        with self._filler.open("ab", buffering=0) as filler:
            for size in (1024**2, 1_024, 1):
                try:
                    while True:
                        filler.write(bytes(size))
                except OSError:
                    continue

    def make_room(self) -> None:
        self._filler.unlink()

    def break_down(self) -> None:
        """Have the kernel treat it as it does a failing disk: no more writing, also through open files."""
        _run("mount", "-o", "remount,abort", self.folder)

    def make_read_only(self) -> None:
        """As an operator does, while nobody writes in it."""
        _run("mount", "-o", "remount,ro", self.folder)

    def mend(self) -> None:
        """Mount it anew, once nobody has a file open in it."""
        self.unmount()
        _run("e2fsck", "-p", self.image, accepted=(0, 1))
        self.mount()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have the disk stall: whoever writes to it hangs in the kernel until it goes on."""
        _run("fsfreeze", "--freeze", self.folder)
        try:
            yield
        finally:
            _run("fsfreeze", "--unfreeze", self.folder)

    def mount(self) -> None:
        _run("mount", "-o", "loop,errors=remount-ro", self.image, self.folder)

    def unmount(self) -> None:
        try:
            await_true(self._is_unmounted, f"nobody uses {self.folder}", step_s=0.1)
        except pytest.fail.Exception:
            _run("umount", "--lazy", self.folder)
            raise

    def _is_unmounted(self) -> bool:
        try:
            _run("umount", self.folder)
        except CannotMount:
            return False
        return True


@contextmanager
def small_filesystem(parent: Path) -> Iterator[Filesystem]:
    """Mount it, and leave nothing of it behind; raises CannotMount."""
    filesystem = Filesystem(parent / "image", parent / "mounted")
    filesystem.folder.mkdir()
    with filesystem.image.open("wb") as image:
        image.truncate(SIZE_BYTES)
    _run("mkfs.ext4", "-q", filesystem.image)
    filesystem.mount()
    try:
        yield filesystem
    finally:
        if filesystem.folder.is_mount():
            filesystem.unmount()
        filesystem.image.unlink()


@contextmanager
def filesystem_or_skip(folder: Path) -> Iterator[Filesystem]:
    """The small filesystem, for a fixture; its tests are skipped where none can be mounted."""
    try:
        with small_filesystem(folder) as mounted:
            yield mounted
    except CannotMount as error:
        pytest.skip(f"no filesystem can be mounted here: {error}")


def _run(*command: str | Path, accepted: tuple[int, ...] = (0,)) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    except FileNotFoundError as error:
        raise CannotMount(f"there is no {command[0]}") from error
    if done.returncode not in accepted:
        raise CannotMount(f"{' '.join(map(str, command))}: {done.stderr.strip()}")

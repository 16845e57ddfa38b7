"""A keyring has the keys that its file has, whatever happens to the file and in whatever order."""

import mmap
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.access.keyring import Key, Keyring, make_key
from service.errors import KeysUnusable
from tests.support.key_files import write_keys
from tests.support.waiting import await_true

MADE = [make_key(f"key-{n}", ["predict"]) for n in range(4)]
TEXTS = [text.encode() for text, _ in MADE]
NOBODY = 65534

sets = st.sets(st.integers(0, len(MADE) - 1)).map(sorted)
kinds = ("replaced", "written in place", "written with its old times", "reached by another link")
unreadable = ("broken", "gone", "a pipe", "a folder", "a link to nothing", "a device")
Event = tuple[str, list[int]]
events: st.SearchStrategy[Event] = st.one_of(
    st.tuples(st.sampled_from(kinds), sets), st.tuples(st.sampled_from(unreadable), st.just([]))
)


def valid(keyring: Keyring) -> list[int]:
    return [n for n, text in enumerate(TEXTS) if keyring.find(text) is not None]


def keys(numbers: Sequence[int]) -> list[Key]:
    return [MADE[n][1] for n in numbers]


def happen(file: Path, kind: str, numbers: Sequence[int]) -> None:
    """Let something happen to the file of keys."""
    is_regular = file.is_file()
    if kind in ("replaced", "reached by another link") or not is_regular:
        _remove(file)
    if kind == "replaced":
        write_keys(file, keys(numbers))
    elif kind == "reached by another link":
        target = file.with_name(f"target-{time.monotonic_ns()}")
        write_keys(target, keys(numbers))
        file.symlink_to(target)
    elif kind.startswith("written"):
        _write_in_place(file, numbers, is_regular and kind == "written with its old times")
    else:
        _remove(file)
        if kind == "broken":
            file.write_text('{"keys": [')
        elif kind == "a pipe":
            os.mkfifo(file)
        elif kind == "a folder":
            file.mkdir()
        elif kind == "a link to nothing":
            file.symlink_to(file.with_name("nothing"))
        elif kind == "a device":
            file.symlink_to("/dev/zero")


def _write_in_place(file: Path, numbers: Sequence[int], keep_times: bool) -> None:
    status = file.stat() if keep_times else None
    with tempfile.TemporaryDirectory() as folder:
        write_keys(Path(folder) / "keys", keys(numbers))
        file.write_bytes((Path(folder) / "keys").read_bytes())
    if status is not None:
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def _remove(file: Path) -> None:
    if file.is_dir() and not file.is_symlink():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)


@contextmanager
def folder() -> Iterator[Path]:
    """Which others may enter."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


@settings(max_examples=60, deadline=None)
@given(st.lists(events, min_size=1, max_size=12))
def test_after_every_event_the_keys_are_those_of_the_file_or_of_the_last_that_could_be_read(
    course: list[Event],
) -> None:
    with folder() as place:
        file = place / "keys.json"
        write_keys(file, keys(range(len(MADE))))
        keyring = Keyring(file)
        expected = list(range(len(MADE)))
        for kind, numbers in course:
            happen(file, kind, numbers)
            keyring.refresh()
            if kind not in unreadable:
                expected = numbers
            assert valid(keyring) == expected, kind


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.tuples(events, st.floats(0, 0.01)), min_size=5, max_size=40),
    st.sampled_from(kinds),
)
def test_a_revocation_during_a_read_of_the_file_is_noticed(
    course: list[tuple[Event, float]], last: str
) -> None:
    with folder() as place:
        file = place / "keys.json"
        write_keys(file, keys(range(len(MADE))))
        keyring = Keyring(file)
        done = threading.Event()

        def look_all_the_time() -> None:
            while not done.is_set():
                keyring.refresh()

        reader = threading.Thread(target=look_all_the_time)
        reader.start()
        try:
            for (kind, numbers), pause in course:
                happen(file, kind, numbers)
                time.sleep(pause)
            happen(file, last, [])
        finally:
            done.set()
            reader.join()
        # One look more: what was read while the file changed must not have been taken for what it is now.
        keyring.refresh()
        assert valid(keyring) == []


def test_a_file_that_has_long_been_the_same_is_read_again_when_it_is_written_with_its_old_times(
    tmp_path: Path,
) -> None:
    file = tmp_path / "keys.json"
    write_keys(file, keys([0]))
    keyring = Keyring(file, settled_s=0.1)
    time.sleep(0.2)
    keyring.refresh()
    happen(file, "written with its old times", [1])
    keyring.refresh()
    assert valid(keyring) == [1]


def test_a_file_that_was_just_written_is_read_again_though_its_stamp_is_the_same(tmp_path: Path) -> None:
    file, other = tmp_path / "keys.json", tmp_path / "other.json"
    write_keys(file, keys([0]))
    write_keys(other, keys([1]))
    # A second write to a page that is mapped and dirty leaves the times as they are; on other systems
    # a second write within a tick of the clock does so too.
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped:
        mapped[:] = file.read_bytes()
        keyring = Keyring(file)
        before = file.stat()
        mapped[:] = other.read_bytes()
        after = file.stat()
        assert (before.st_ctime_ns, before.st_mtime_ns) == (after.st_ctime_ns, after.st_mtime_ns)
        keyring.refresh()
    assert valid(keyring) == [1]


def test_a_watched_file_is_followed_without_anybody_asking(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    write_keys(file, keys([0, 1]))
    keyring = Keyring(file)
    keyring.watch()

    def follow(numbers: list[int]) -> None:
        write_keys(file, keys(numbers))
        await_true(
            lambda: valid(keyring) == numbers,
            f"the keys {numbers} are valid",
            state=lambda: valid(keyring),
        )

    try:
        for numbers in ([1], [0], []):
            follow(numbers)
    finally:
        keyring.close()


@contextmanager
def bound_by_rights() -> Iterator[None]:
    """Be somebody who may not read every file, which root may."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_is_read_once_its_rights_are_mended() -> None:
    with folder() as place:
        file = place / "keys.json"
        write_keys(file, keys([0]))
        file.chmod(0o644)
        with bound_by_rights():
            keyring = Keyring(file)
        write_keys(file, [])
        file.chmod(0)
        with bound_by_rights():
            keyring.refresh()
            keyring.refresh()
        assert valid(keyring) == [0]
        file.chmod(0o644)
        with bound_by_rights():
            keyring.refresh()
        assert valid(keyring) == []


def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(KeysUnusable, match="not a regular file"):
            Keyring(path)


def test_an_unreadable_file_is_logged_once_and_so_is_its_recovery(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys.json"
    write_keys(file, keys([0]))
    keyring = Keyring(file)
    file.write_text("broken")
    for _ in range(3):
        keyring.refresh()
    write_keys(file, keys([1]))
    for _ in range(3):
        keyring.refresh()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "The keys stay as they were." in said[0]
    assert "can be read again" in said[1]

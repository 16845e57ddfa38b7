"""The release file: what is no release changes nothing, and two changes at once do not undo each other."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_IMODE

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import ReleaseChanged, ReleaseUnusable
from service.releases.release_file import MAX_BYTES, read_release, replace_file, write_release
from service.releases.wanted_release import MAX_OVERRIDES, change, take_back, wanted_release
from tests.support.releases import FIRST, SECOND, places_in, release


def test_what_is_written_is_read_and_a_missing_file_is_none(tmp_path: Path) -> None:
    file = tmp_path / "release.json"
    assert read_release(file) is None
    written = release(FIRST, SECOND, mode="canary", share=0.2, salt="s", reason="ü")
    write_release(file, written)
    assert read_release(file) == written
    assert [path.name for path in tmp_path.iterdir()] == ["release.json"]


@given(cut=st.integers(0, 400))
def test_a_part_of_a_release_is_refused(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("part") / "release.json"
    whole = release(FIRST, SECOND).model_dump_json().encode()
    file.write_bytes(whole[: min(cut, len(whole) - 1)])
    with pytest.raises(ReleaseUnusable, match=r"release\.json cannot be used"):
        read_release(file)


@pytest.mark.parametrize(
    "content",
    [b"[]", b'{"format": 2}', b"\xff", b" " * (MAX_BYTES + 1), b'{"format": 1, "champion": "no tag"}'],
    ids=["a list", "another format", "no text", "too long", "no tag"],
)
def test_what_is_no_release_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "release.json"
    file.write_bytes(content)
    with pytest.raises(ReleaseUnusable):
        read_release(file)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseUnusable):
        read_release(tmp_path)


def test_the_mode_of_the_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "release.json"
    write_release(file, release())
    file.chmod(0o640)
    write_release(file, release())
    assert S_IMODE(file.stat().st_mode) == 0o640


def test_a_failed_replacement_leaves_the_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "taken", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_change_names_the_release_that_it_has_seen(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    first, second, third = (release() for _ in range(3))
    change(places, first, instead_of=None)
    change(places, second, instead_of=first.release_id)
    with pytest.raises(ReleaseChanged):
        change(places, third, instead_of=first.release_id)
    with pytest.raises(ReleaseChanged):
        change(places, third, instead_of=None)
    assert wanted_release(places) == second


def test_of_many_changes_at_once_one_is_made(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    change(places, first := release(), instead_of=None)
    others = [release() for _ in range(8)]

    def attempt(number: int) -> bool:
        try:
            change(places, others[number], instead_of=first.release_id)
        except ReleaseChanged:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        made = [*pool.map(attempt, range(8))]
    assert sum(made) == 1
    assert wanted_release(places) == others[made.index(True)]


def test_nothing_is_written_if_the_change_cannot_be_stated(tmp_path: Path) -> None:
    places = places_in(tmp_path)

    def fail() -> None:
        raise ReleaseUnusable("x", "the ledger cannot be written")

    with pytest.raises(ReleaseUnusable):
        change(places, release(), instead_of=None, state=fail)
    assert not places.file.exists()


def test_an_unreadable_file_is_replaced(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    places.file.write_text("{")
    change(places, made := release(), instead_of=None)
    assert wanted_release(places) == made


def test_a_change_of_a_linked_file_supersedes_it_until_the_file_changes(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    target = tmp_path / "data.json"
    write_release(target, mounted := release(FIRST, SECOND))
    places.file.symlink_to(target)
    change(places, second := release(), instead_of=mounted.release_id)
    assert wanted_release(places) == second
    change(places, third := release(), instead_of=second.release_id)
    assert wanted_release(places) == third
    take_back(places, third, second)
    assert wanted_release(places) == second
    assert read_release(places.file) == mounted
    write_release(target, fourth := release(SECOND))
    assert wanted_release(places) == fourth


def test_old_changes_beside_a_linked_file_are_deleted(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    target = tmp_path / "data.json"
    places.file.symlink_to(target)
    for _ in range(MAX_OVERRIDES + 5):
        write_release(target, mounted := release(FIRST, SECOND))
        change(places, release(), instead_of=mounted.release_id)
    assert len([*places.folder.glob("rollback-*.json")]) == MAX_OVERRIDES


def test_overrides_that_name_each_other_do_not_hang(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    first, second = release(), release()
    write_release(places.file, first)
    places.folder.mkdir(parents=True)
    write_release(places.override(first.release_id), second)
    write_release(places.override(second.release_id), first)
    assert wanted_release(places) == first


def test_a_change_that_is_taken_back_leaves_what_was_there(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    change(places, first := release(), instead_of=None)
    take_back(places, first, None)
    assert not places.file.exists()
    change(places, first, instead_of=None)
    change(places, second := release(), instead_of=first.release_id)
    take_back(places, release(), None)
    assert wanted_release(places) == second
    take_back(places, second, first)
    assert wanted_release(places) == first
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [places.file.name]

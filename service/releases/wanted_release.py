"""The release that is wanted: that of the file, or one that supersedes it on this machine.

Where the file cannot be written, as a ConfigMap, a change is a file in the folder of agreement, named after
the release that it supersedes. It counts as long as the release file names that release.
"""

from collections.abc import Callable
from contextlib import suppress

from service.errors import ReleaseChanged, ReleaseUnusable
from service.model.release.release import Release
from service.releases.release_file import is_replaceable, locked, read_release, write_release
from service.releases.release_places import ReleasePlaces

MAX_OVERRIDES = 32
"""Of the newest files of such changes; older ones are deleted."""


def wanted_release(places: ReleasePlaces) -> Release | None:
    """The release that is to be in force, None if there is no file; raises ReleaseUnusable."""
    release = read_release(places.file)
    seen = set()
    while release is not None and release.release_id not in seen:
        seen.add(release.release_id)
        release = read_release(places.override(release.release_id)) or release
    return release


def is_overridden(places: ReleasePlaces, release: Release) -> bool:
    """Whether a file in the folder of agreement supersedes the release."""
    return places.override(release.release_id).exists()


def change(
    places: ReleasePlaces,
    release: Release,
    *,
    instead_of: str | None,
    state: Callable[[], None] = lambda: None,
) -> None:
    """Make the release the wanted one, after ``state`` has stated the change in the ledger.

    ``instead_of`` is the id of the release that the caller has seen as the wanted one, None for no file.
    Raises ReleaseChanged if it is another one by now, ReleaseUnusable if nothing can be written. An
    unreadable file is replaced if ``instead_of`` is None.
    """
    try:
        with locked(places.change_lock):
            before = _readable(places)
            if (before and before.release_id) != instead_of:
                raise ReleaseChanged(places.file)
            is_replaced = is_replaceable(places.file)
            if not is_replaced and before is None:
                raise ReleaseUnusable(places.file, "it is read-only, and names no release")
            state()
            if is_replaced:
                write_release(places.file, release)
            elif before is not None:
                write_release(places.override(before.release_id), release)
                _remove_old_overrides(places)
    except OSError as error:
        raise ReleaseUnusable(places.file, error.strerror or repr(error)) from error


def take_back(places: ReleasePlaces, release: Release, before: Release | None) -> None:
    """Undo a change, if the release is still the wanted one; ``before`` is what was wanted before it."""
    with suppress(OSError), locked(places.change_lock):
        now = _readable(places)
        if now is None or now.release_id != release.release_id:
            return
        if before is not None and places.override(before.release_id).exists():
            places.override(before.release_id).unlink()
        elif before is not None:
            write_release(places.file, before)
        else:
            places.file.unlink()


def _readable(places: ReleasePlaces) -> Release | None:
    try:
        return wanted_release(places)
    except ReleaseUnusable:
        return None


def _remove_old_overrides(places: ReleasePlaces) -> None:
    files = sorted(places.folder.glob("rollback-*.json"), key=lambda file: file.stat().st_mtime_ns)
    for file in files[:-MAX_OVERRIDES]:
        file.unlink(missing_ok=True)

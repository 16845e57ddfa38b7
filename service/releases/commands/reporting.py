"""Commands that show the release in force, and what is known of it."""

import sys
from collections.abc import Iterator
from datetime import datetime

from pydantic_core import to_json

from service.errors import ReleaseMisuse
from service.model.release.release import Release
from service.monitoring.evidence.evidence_text import evidence_text
from service.releases.commands.release_group import of_a_service, releases
from service.releases.known_evidence import known_evidence
from service.releases.live_workers import WorkerReport, live_workers
from service.releases.present_release import Present, model_name, present_release
from service.releases.release_file import read_release
from service.releases.release_watch import described
from service.releases.wanted_release import is_overridden
from service.settings import Settings


@releases.command
@of_a_service
def show(settings: Settings, *, name: str | None, as_json: bool) -> None:
    """Show what is served, by which workers, since when, and what waits."""
    present = present_release(settings, model_name(settings, name))
    workers = live_workers(present.places.folder)
    text = (
        _as_json(present, workers) if as_json else "".join(f"{line}\n" for line in _lines(present, workers))
    )
    sys.stdout.write(text)


@releases.command
@of_a_service
def evidence(settings: Settings, *, name: str | None, as_json: bool) -> None:
    """Show the figures of the present release, and what its policy recommends."""
    base = present_release(settings, model_name(settings, name)).base
    known = known_evidence(settings, base.release_id)
    if known is None:
        raise ReleaseMisuse(
            f"Monitoring has no evidence of the release {base.release_id} yet: {described(base)}. It comes "
            "within minutes while the service runs with TABENTO_MONITORING=on"
        )
    sys.stdout.write(f"{known.model_dump_json(indent=2)}\n" if as_json else evidence_text(known))


def _lines(present: Present, workers: list[WorkerReport]) -> Iterator[str]:
    accepted = present.accepted
    if accepted is None:
        yield "No release is in force: the service serves the model that it was started with."
    else:
        yield from _release_lines(accepted.release)
        yield f"Accepted at {_time(accepted.accepted_utc)} by {accepted.workers} workers."
    yield f"Workers: {len(workers)}"
    for worker in workers:
        models = ", ".join(worker.models) or "starting"
        yield f"  {worker.pid}: {models} (release {worker.release_id or 'none'})"
    yield f"File: {present.places.file}"
    if present.refused:
        yield f"The release in the file is refused: {' '.join(present.refused)}"
    elif present.wanted is None:
        yield "There is no such file: what is in force stays."
    elif not present.is_in_force:
        yield f"Waits for the workers: {present.wanted.release_id}, {described(present.wanted)}"
    elif (overridden := read_release(present.places.file)) and is_overridden(present.places, overridden):
        yield (
            f"The file names {overridden.release_id}, which is superseded on this machine alone until the "
            "file is changed."
        )


def _release_lines(release: Release) -> Iterator[str]:
    yield f"Release {release.release_id}, since {_time(release.since_utc)}"
    yield f"  champion    {release.champion}"
    if release.challenger is not None:
        mode = "shadow, as the former champion" if release.is_fallback else release.mode
        share = f", share {release.share:g} by {release.key}" if release.is_routed else ""
        yield f"  challenger  {release.challenger} ({mode}{share})"
    if release.previous is not None:
        yield f"  previous    {release.previous}"
    if release.changed_by:
        yield f"  by {release.changed_by}: {release.reason}"


def _as_json(present: Present, workers: list[WorkerReport]) -> str:
    content = {
        "in_force": present.accepted and present.accepted.release.model_dump(mode="json"),
        "wanted": present.wanted and present.wanted.model_dump(mode="json"),
        "refused": present.refused,
        "file": str(present.places.file),
        "workers": [worker.model_dump(mode="json") for worker in workers],
    }
    return to_json(content, indent=2).decode() + "\n"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"

"""What is served at present, as a command or the collector sees it: the release that a change follows."""

from pathlib import Path
from typing import NamedTuple

from service.audit.query.acts import logged_acts
from service.errors import AuditUnusable, ReleaseMisuse, ReleaseUnusable
from service.model.published import resolve_tag
from service.model.release.release import Release
from service.releases.agreement import Accepted, Agreement
from service.releases.live_workers import live_workers
from service.releases.next_release import first_release
from service.releases.release_file import read_release
from service.releases.release_places import ReleasePlaces
from service.releases.wanted_release import wanted_release
from service.settings import RELEASE_SUFFIX, Settings


class Present(NamedTuple):
    """The releases of one model name at present."""

    places: ReleasePlaces
    wanted: Release | None
    """That of the file, if it can be read."""
    accepted: Accepted | None
    """That which the workers accepted last."""
    refused: tuple[str, ...] = ()
    """Why the workers refused the wanted one, or why the file cannot be read."""

    @property
    def base(self) -> Release:
        """The release that a change follows: the wanted one, unless it was refused."""
        if self.wanted is not None and not self.refused:
            return self.wanted
        if self.accepted is not None:
            return self.accepted.release
        return first_release(_champion_without_release(self.places))

    @property
    def is_in_force(self) -> bool:
        """Whether the workers accepted the wanted release."""
        return (
            self.wanted is not None
            and self.accepted is not None
            and self.wanted.release_id == self.accepted.release.release_id
        )


def present_release(settings: Settings, name: str) -> Present:
    """The releases of a model name."""
    places = ReleasePlaces.of(settings, name)
    agreement = Agreement(places.folder, places.log)
    accepted = agreement.accepted()
    try:
        wanted = wanted_release(places)
    except ReleaseUnusable as error:
        return Present(places, None, accepted, (str(error),))
    if wanted is not None and wanted.name != name:
        return Present(places, None, accepted, (f"{places.file} is of models {wanted.name}, not {name}.",))
    refusal = wanted and agreement.refusal(0 if accepted is None else accepted.number, wanted)
    return Present(places, wanted, accepted, refusal.reasons if refusal else ())


def model_name(settings: Settings, given: str | None) -> str:
    """The BentoML name that a command is about; raises ReleaseMisuse if it is not clear.

    Not given, it is that of the release file, or else that of the model that the service serves.
    """
    if given is not None:
        return given.partition(":")[0]
    if settings.release is not None:
        release = read_release(settings.release)
        names = [] if release is None else [release.name]
    else:
        files = settings.audit_db.parent.glob(f"*{RELEASE_SUFFIX}")
        names = [file.name.removesuffix(RELEASE_SUFFIX) for file in files]
    names = names or [*dict.fromkeys(tag.partition(":")[0] for tag in _started(settings.audit_db))]
    if len(names) == 1:
        return names[0]
    if not names:
        raise ReleaseMisuse(
            "There is no release, and no service has started: name the model with --model NAME"
        )
    raise ReleaseMisuse(f"There are releases of {', '.join(sorted(names))}: name one with --model NAME")


def _champion_without_release(places: ReleasePlaces) -> str:
    """The model that the workers serve, or served last, else the one that the name stands for.

    The ledger states a start soon after it, so the workers that are alive come first.
    """
    for worker in live_workers(places.folder):
        if worker.models:
            return worker.models[0]
    name = places.folder.name
    tags = [tag for tag in _started(places.log) if tag.partition(":")[0] == name]
    return tags[-1] if tags else resolve_tag(name)


def _started(log: Path) -> list[str]:
    """The models of the starts of services, oldest first."""
    try:
        return [str(act.detail.get("model")) for act in logged_acts(log, kind="start")]
    except AuditUnusable:  # There is no log yet.
        return []

"""Who may promote a model: with the switch on, another person than the one who published it."""

from pathlib import Path

from service.access.two_keys import name_of_shown_key
from service.audit.act import Actor
from service.errors import ReleaseMisuse
from service.model.published import PUBLISHER_LABEL, stored_model
from service.settings import Settings


def with_shown_key(settings: Settings, actor: Actor, key_file: Path | None) -> Actor:
    """The actor with the name of the key that was shown; raises KeyMisuse for one that is not valid."""
    if key_file is None:
        return actor
    return actor._replace(key_names=(name_of_shown_key(settings.api_keys_file, key_file, "release"),))


def check_promoter(settings: Settings, tag: str, actor: Actor) -> None:
    """Raise ReleaseMisuse if the switch is on and this person may not promote the model."""
    if not settings.releases_two_persons:
        return
    publisher = stored_model(tag).info.labels.get(PUBLISHER_LABEL)
    if publisher is None:
        raise ReleaseMisuse(
            f"{tag} does not state who published it, and TABENTO_RELEASES_TWO_PERSONS is on. Train it again"
        )
    if publisher == actor.system_user:
        raise ReleaseMisuse(
            f"{publisher} published {tag}, and TABENTO_RELEASES_TWO_PERSONS is on: another person promotes it"
        )
    if settings.api_keys_file is not None and not actor.key_names:
        raise ReleaseMisuse(
            "TABENTO_RELEASES_TWO_PERSONS is on, and API keys are used: show a key of the scope release with "
            "--key-file"
        )

"""What a command can find out of a challenger before it asks the workers."""

from service.errors import ModelDoesNotFit
from service.model.published import load_model, read_contract
from service.model.release.release import Release
from service.model.release.widening import differences
from service.settings import Settings


def check_challenger(settings: Settings, before: Release, tag: str) -> None:
    """Raise the error with which the workers would refuse the model.

    It is in the store (ModelNotPublished), takes every request that the champion takes (ModelDoesNotFit),
    loads, and gives its golden probabilities (ModelUnusable).
    """
    found = differences(read_contract(before.champion), read_contract(tag))
    if found:
        raise ModelDoesNotFit(tag, found)
    load_model(tag, settings.runtime)

"""The contract by which a service reads requests: the same in all its workers, from its start to its end.

It is that of the release in force at the start, or else of the model that the service was started or built
with. The supervising process keeps it in the folder that the workers share, so a worker that starts later,
under another release, reads requests as the others do.
"""

import os
from pathlib import Path

from service.errors import ModelNotPublished, ModelUnusable
from service.model.contract import Contract
from service.model.published import read_contract
from service.model.release.widening import differences
from service.releases.agreement import Agreement
from service.releases.release_places import ReleasePlaces
from service.settings import Settings
from service.telemetry.metrics import FOLDER_VARIABLE

_FILE = "contract.json"


def api_contract(tag: str) -> Contract:
    """The contract that was kept; in a process that does not serve, that of the model.

    Raises ModelNotPublished or ModelUnusable.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is not None and (kept := Path(folder, _FILE)).exists():
        return Contract.model_validate_json(kept.read_bytes())
    return read_contract(tag)


def keep_contract(settings: Settings, tag: str) -> None:
    """Keep the contract of what will be served, in the folder of the workers."""
    contract = _contract_at_start(settings, tag)
    Path(os.environ[FOLDER_VARIABLE], _FILE).write_text(contract.model_dump_json(), encoding="utf-8")


def _contract_at_start(settings: Settings, tag: str) -> Contract:
    places = ReleasePlaces.of(settings, tag.partition(":")[0])
    accepted = Agreement(places.folder, places.log).accepted()
    if accepted is None or accepted.release.name != tag.partition(":")[0]:
        return read_contract(tag)
    try:
        champion, *others = map(read_contract, accepted.release.tags)
    except (ModelNotPublished, ModelUnusable):  # The worker says so, and serves the other model.
        return read_contract(tag)
    for other in others:
        if not differences(other, champion):  # The champion accepts more, and both must fit.
            return other
    return champion

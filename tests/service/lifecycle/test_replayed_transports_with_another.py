"""What any transport has recorded is read by a candidate's contract, and compared with what was sent."""

from contextlib import closing
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from lifecycle.replay.offline_replay import ReplayTask, replay
from lifecycle.replay.replay_result import ReplayResult
from tests.support import animals
from tests.support.servers import Server
from tests.support.small_models import publish_animals
from tests.support.stores import opened_store
from tests.support.transports import Row, Transports, infer_request

ROWS: list[Row] = [animals.DOG, {**animals.DOG, "weight": None, "legs": 3}, {**animals.DOG, "breed": None}]


class Sent(NamedTuple):
    """The requests of this module; the server is shared, and its log has those of other modules too."""

    since: datetime
    ids: set[str]


@pytest.fixture(scope="module")
def sent(animals_server: Server) -> Sent:
    """Requests by every transport, one without probabilities."""
    since = datetime.now(UTC)
    transports = Transports(animals_server, animals.CONTRACT, "animals")
    with closing(transports):
        ids = {ask(rows).request_id for ask in transports.all() for rows in (ROWS, ROWS[:1])}
        single = transports.client.post("/predict", json=dict(animals.DOG)).raise_for_status()
        tensors = infer_request(animals.CONTRACT, ROWS, "animals", id="labels-alone")
        tensors.outputs.add(name="label")
        transports.infer(tensors)
        truths = [
            {"request_id": single.json()["request_id"], "row": 0, "label": True},
            {"request_id": "labels-alone", "row": 1, "label": False},
        ]
        for truth in truths:
            transports.client.post("/feedback", json=truth).raise_for_status()
    return Sent(since, ids | {single.json()["request_id"], "labels-alone"})


def replayed(server: Server, stores: dict[str, str], candidate: str, since: datetime) -> ReplayResult:
    with opened_store(stores):
        return replay(ReplayTask(server.audit_db, candidate, since=since, processes=1, examples=1_000))


def test_the_same_model_agrees_in_every_row_of_every_transport(
    animals_server: Server, animals: str, stores: dict[str, str], sent: Sent
) -> None:
    result = replayed(animals_server, stores, animals, sent.since)
    assert result.records.replayed == result.records.records >= len(sent.ids)
    assert (result.records.broken, result.records.unreadable) == (0, 0)
    assert result.disagreements.differing == 0
    assert result.outcomes.labelled >= 2
    assert {each.difference for each in result.differences} <= {0.0, None}


def test_another_model_differs_in_the_same_rows_of_every_transport(
    animals_server: Server, animals: str, stores: dict[str, str], sent: Sent
) -> None:
    with opened_store(stores):
        contrary = publish_animals("contrary_animals", is_contrary=True)
    result = replayed(animals_server, stores, contrary, sent.since)
    assert result.compared[0].tag == animals
    by_request: dict[str, set[int]] = {}
    for each in result.disagreements.examples:
        by_request.setdefault(each.request_id, set()).add(each.row)
    assert sent.ids <= by_request.keys()
    assert by_request["labels-alone"] == {0, 1, 2}

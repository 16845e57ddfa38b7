"""Two models behind HTTP and gRPC: who gets which, how a request names one, and what all pages say of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import grpc
import httpx
import pytest

from service.model.release.release import Mode, Release
from service.releases.release_file import write_release
from tests.support.animals import CONTRACT, DOG
from tests.support.servers import Server, Starter, metric
from tests.support.small_models import publish_animals
from tests.support.stores import environment_of, opened_store
from tests.support.transports import PROTOCOL, columns, infer_request, json_data, method
from tests.support.waiting import await_true

MESSAGES = PROTOCOL.messages
PATH = "/v2/models/animals"


class Released(NamedTuple):
    """A server with two models, and its release file."""

    server: Server
    client: httpx.Client
    channel: grpc.Channel
    tags: tuple[str, str]
    file: Path

    def release(self, mode: Mode, share: float = 0.0) -> None:
        """Have it serve both in this mode, and wait until it does."""
        release = release_of(self.tags, mode, share)
        write_release(self.file, release)

        def is_in_force() -> bool:
            found = self.health()["release"]
            return (found["state"], found["release_id"]) == ("in force", release.release_id)

        await_true(is_in_force, f"{mode} of {release.release_id} is in force", state=self.health)

    def health(self) -> Any:
        return self.client.get("/health").json()

    def over_http(self, person: str, version: str = "") -> httpx.Response:
        route = f"{PATH}/versions/{version}/infer" if version else f"{PATH}/infer"
        inputs = [
            {"name": name, "datatype": of, "shape": [1], "data": json_data(values, of)}
            for name, of, values in columns(CONTRACT, [DOG])
        ]
        return self.client.post(route, json={"inputs": inputs}, headers={"X-Subject-ID": person})

    def over_grpc(self, person: str, version: str = "") -> Any:
        request = infer_request(CONTRACT, [DOG], "animals", model_version=version)
        return method(self.channel, "ModelInfer")(request, timeout=30, metadata=[("x-subject-id", person)])


def release_of(tags: tuple[str, str], mode: Mode, share: float) -> Release:
    champion, challenger = tags
    return Release(
        release_id=uuid4().hex,
        since_utc=datetime.now(UTC),
        champion=champion,
        challenger=challenger,
        mode=mode,
        share=share,
        salt="salt",
    )


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    stores = environment_of(tmp_path_factory.mktemp("released"))
    with opened_store(stores):
        first = publish_animals()
        second = publish_animals(version="2", champion=first)
    file = tmp_path_factory.mktemp("release") / "animals.release.json"
    starter = Starter(stores, tmp_path_factory)
    server = starter.start(model="animals", with_grpc=True, TABENTO_RELEASE=str(file))
    with (
        httpx.Client(base_url=server.url, timeout=30) as client,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        found = Released(server, client, channel, (first, second), file)
        assert found.health()["release"]["state"] == "none"
        yield found
    starter.stop_all()


def test_a_person_gets_one_model_whatever_the_transport(released: Released) -> None:
    released.release("ab", 0.5)
    versions = {}
    for number in range(24):
        person = f"person-{number}"
        answers = {released.over_http(person).json()["model_version"] for _ in range(2)}
        answers.add(released.over_grpc(person).model_version)
        answer = released.client.post("/predict", json=DOG, headers={"X-Subject-ID": person})
        answers.add(answer.raise_for_status().json()["model_version"])
        (versions[person],) = answers
    assert {*versions.values()} == {"1", "2"}
    released.release("canary", 0.0)
    assert {released.over_http(person).json()["model_version"] for person in versions} == {"1"}
    assert {released.over_grpc(person).model_version for person in versions} == {"1"}


def test_a_request_that_names_a_version_gets_it(released: Released) -> None:
    released.release("canary", 0.0)
    for version in ("1", "2"):
        assert released.over_http("ada", version).json()["model_version"] == version
        assert released.over_grpc("ada", version).model_version == version
        ready = released.client.get(f"{PATH}/versions/{version}/ready")
        assert ready.json() == {"name": "animals", "ready": True}
    metadata = released.client.get(PATH).json()
    assert metadata["versions"] == ["1", "2"]
    asked = MESSAGES["ModelMetadataRequest"](name="animals")
    assert [*method(released.channel, "ModelMetadata")(asked, timeout=30).versions] == ["1", "2"]
    assert released.over_http("ada", "3").status_code == 404
    with pytest.raises(grpc.RpcError) as refused:
        released.over_grpc("ada", "3")
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    assert metric(released.server.url, "tabento_answers_total", role="challenger", status="200") >= 2


def test_a_challenger_in_shadow_is_shown_beside_the_answers(released: Released) -> None:
    released.release("shadow")
    assert released.client.get(PATH).json()["versions"] == ["1"]
    assert released.over_http("ada", "2").status_code == 404
    ids = [released.over_http("ada").json()["id"], released.over_grpc("ada").id]

    def shadows() -> list[Any]:
        pages = [released.client.get("/predictions/history", params={"request_id": id_}) for id_ in ids]
        return [page.json()["items"][0]["shadow"] for page in pages]

    await_true(lambda: all(shadows()), "both are shadowed", state=shadows)
    for shadow in shadows():
        assert shadow["model_version"] == "2"
        assert len(shadow["predictions"]) == 1
        assert shadow["error"] is None
    assert metric(released.server.url, "tabento_shadow_rows_total", outcome="predicted") >= 2
    assert metric(released.server.url, "tabento_predictions_total", role="challenger") >= 2


def test_health_model_info_and_metrics_follow_the_release(released: Released) -> None:
    released.release("shadow")
    health, info = released.health(), released.client.get("/model/info").json()
    assert (health["model"], info["tag"]) == (released.tags[0],) * 2
    assert health["release"]["challenger"]["tag"] == released.tags[1]
    assert info["release"]["challenger"]["model_version"] == "2"
    promoted = released._replace(tags=(released.tags[1], released.tags[0]))
    promoted.release("canary", 0.25)
    health, info = released.health(), released.client.get("/model/info").json()
    assert (health["model"], info["tag"]) == (promoted.tags[0],) * 2
    assert info["model_id"] == health["model_id"]
    for role, tag in zip(("champion", "challenger"), promoted.tags, strict=True):
        assert metric(released.server.url, "tabento_model_info", role=role, tag=tag) == 1
    assert metric(released.server.url, "tabento_model_info") == 2

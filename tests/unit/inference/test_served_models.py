"""Requests end on the model that they began with, whatever is swapped, and each answer tells its model."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from service.audit.query.reader import AuditReader
from service.errors import ModelUnknown
from service.inference.served_models import LoadedModel, ServedModels
from service.model.release.assignment import assigned_role
from service.telemetry.metrics import Metrics
from tests.support.direct_requests import DirectReply, direct_service
from tests.support.telling_models import number_of, seen_by, serving_of, telling_model
from tests.support.waiting import until_true

SHARES = st.floats(0, 1, allow_nan=False)
KEYS = st.text(st.characters(codec="ascii"), min_size=1, max_size=64)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[LoadedModel, LoadedModel]]:
    models = telling_model(1), telling_model(2)
    yield models
    for loaded in models:
        asyncio.run(loaded.engine.close())


@given(share=SHARES, subject=st.none() | KEYS, request_id=KEYS, version=st.sampled_from(["", "1", "2", "3"]))
def test_the_choice_follows_the_version_then_the_key(
    pair: tuple[LoadedModel, LoadedModel], share: float, subject: str | None, request_id: str, version: str
) -> None:
    serving = serving_of(*pair, "canary", share=share)
    if version == "3":
        with pytest.raises(ModelUnknown):
            serving.choose(subject, request_id, version)
        return
    chosen = serving.choose(subject, request_id, version)
    if version:
        assert chosen.version == version
    else:
        key = request_id if subject is None else subject
        assert serving.role_of(chosen) == assigned_role("salt", key, share)
        assert chosen is serving.choose(subject, "another", "") or subject is None


@given(share=SHARES, subject=KEYS, request_id=KEYS)
def test_a_release_by_requests_takes_no_notice_of_the_person(
    pair: tuple[LoadedModel, LoadedModel], share: float, subject: str, request_id: str
) -> None:
    serving = serving_of(*pair, "ab", share=share, key="request")
    assert serving.choose(subject, request_id) is serving.choose(None, request_id)


@given(subject=st.none() | KEYS, request_id=KEYS)
def test_the_challenger_answers_nothing_with_a_share_of_0_or_in_shadow(
    pair: tuple[LoadedModel, LoadedModel], subject: str | None, request_id: str
) -> None:
    for serving in (serving_of(*pair, "canary"), serving_of(*pair, "shadow"), serving_of(pair[0])):
        assert serving.choose(subject, request_id) is pair[0]


def test_a_version_in_shadow_cannot_be_asked_for(pair: tuple[LoadedModel, LoadedModel]) -> None:
    with pytest.raises(ModelUnknown):
        serving_of(*pair, "shadow").choose(None, "r-1", "2")


def test_the_data_plane_serves_each_version_and_counts_by_role(tmp_path: Path) -> None:
    async def run() -> None:
        metrics = Metrics(CollectorRegistry())
        serving = serving_of(telling_model(1, metrics), telling_model(2, metrics), "canary", share=0.0)
        async with direct_service(tmp_path / "audit.db", serving, metrics) as service:
            replies = [await service.ask(1.0, version=version) for version in ("", "1", "2", "2", "3")]
            assert [reply.status for reply in replies] == [200, 200, 200, 200, 404]
            assert [*map(answered_by, replies[:4])] == [1, 1, 2, 2]
            await service.ask(-404.0, version="2")
            assert service.counted("tabento_answers_total", role="champion", status="200") == 2
            assert service.counted("tabento_answers_total", role="challenger", status="200") == 2
            assert service.counted("tabento_answers_total", role="challenger", status="500") == 1
            assert service.counted("tabento_predictions_total", role="challenger", label="plus") == 2
            assert service.counted("tabento_model_failed_rows_total", role="challenger") == 1
            assert service.counted("tabento_model_failed_rows_total", role="champion") == 0

    asyncio.run(run())


def test_a_person_keeps_its_model_and_no_batch_has_rows_of_two(tmp_path: Path) -> None:
    async def run() -> None:
        serving = serving_of(telling_model(1), telling_model(2), "ab", share=0.4)
        async with direct_service(tmp_path / "audit.db", serving) as service:
            asked = [(number, f"person-{number % 40}") for number in range(1_000)]
            replies = await asyncio.gather(
                *(service.ask(float(number), person=person) for number, person in asked)
            )
            models: dict[str, set[int]] = {}
            for (number, person), reply in zip(asked, replies, strict=True):
                models.setdefault(person, set()).add(answered_by(reply))
                chosen = serving.models[answered_by(reply) - 1]
                assert float(number) in seen_by(chosen)
            assert {len(of_person) for of_person in models.values()} == {1}
            assert {model for of_person in models.values() for model in of_person} == {1, 2}
            rows = [seen_by(loaded) - {1.0, 2.0} for loaded in serving.models]
            assert not rows[0] & rows[1]

    asyncio.run(run())


@pytest.mark.parametrize("call_s", [0.0, 0.004])
def test_no_request_fails_or_gets_the_answer_of_another_model_while_models_are_swapped(
    tmp_path: Path, call_s: float
) -> None:
    db = tmp_path / "audit.db"
    swaps, clients = 40, 60
    random = Random(1)
    numbers = count(1)
    replies: dict[str, DirectReply] = {}

    async def swap(models: ServedModels, champion: LoadedModel) -> None:
        for number in range(3, 3 + swaps):
            fresh = telling_model(number, call_s=call_s * (number % 2))
            pair = (champion, fresh) if random.random() < 0.5 else (fresh, champion)
            models.swap(serving_of(*pair, "ab", share=0.5, salt=str(number)))
            champion = random.choice(pair)
            await asyncio.sleep(0.01)

    async def run() -> None:
        first = telling_model(1, call_s=call_s), telling_model(2)
        async with direct_service(db, serving_of(*first, "ab", share=0.5)) as service:
            swapping = asyncio.ensure_future(swap(service.models, first[0]))

            async def client() -> None:
                while not swapping.done():
                    number = next(numbers)
                    replies[f"r-{number}"] = await service.ask(float(number), request_id=f"r-{number}")

            await asyncio.gather(swapping, *(client() for _ in range(clients)))

    asyncio.run(run())
    assert {reply.status for reply in replies.values()} == {200}
    recorded = {record.request_id: record.model_version for record in AuditReader(db).records()}
    answered = {request_id: str(answered_by(reply)) for request_id, reply in replies.items()}
    assert recorded == answered
    assert len({*answered.values()}) > swaps / 2


def test_a_model_that_leaves_finishes_and_is_released_with_its_thread(tmp_path: Path) -> None:
    async def run() -> None:
        leaving = telling_model(1, call_s=0.05)
        async with direct_service(tmp_path / "audit.db", serving_of(leaving)) as service:
            asked = [asyncio.ensure_future(service.ask(float(number))) for number in range(50)]
            await asyncio.sleep(0.03)
            threads = {*threading.enumerate()}
            gone = [weakref.ref(each) for each in (leaving.model.predictor, leaving.engine)]
            # What is left of the reference cycles that are older than ``tune_memory`` is never collected.
            gc.disable()
            try:
                service.models.swap(serving_of(telling_model(2)))
                del leaving
                replies = await asyncio.gather(*asked)
                assert {answered_by(reply) for reply in replies} == {1}
                del asked, replies
                await until_true(
                    lambda: all(each() is None for each in gone),
                    "the model is released",
                    within_s=10,
                    state=lambda: [gc.get_referrers(each()) for each in gone if each() is not None],
                )
            finally:
                gc.enable()
            ended = [thread for thread in threads if thread.name.startswith("model") and thread.is_alive()]
            assert not ended
            assert answered_by(await service.ask(1.0)) == 2

    asyncio.run(run())


def test_a_promotion_keeps_the_engine_and_changes_its_role(tmp_path: Path) -> None:
    async def run() -> None:
        metrics = Metrics(CollectorRegistry())
        first, second = telling_model(1, metrics), telling_model(2, metrics)
        serving = serving_of(first, second, "ab", share=1.0)
        async with direct_service(tmp_path / "audit.db", serving, metrics) as service:
            assert answered_by(await service.ask(1.0)) == 2
            service.models.swap(serving_of(second, first, "shadow"))
            assert answered_by(await service.ask(1.0)) == 2
            await until_true(
                lambda: service.counted("tabento_shadow_rows_total", outcome="predicted"), "the shadow"
            )
            # One row each in A/B as the challenger, then as the champion, and one in shadow.
            for role, rows in (("challenger", 2), ("champion", 1)):
                assert service.counted("tabento_predictions_total", role=role, label="plus") == rows
            shown = {
                (sample.labels["role"], sample.labels["model_version"])
                for metric in metrics.registry.collect()
                for sample in metric.samples
                if sample.name == "tabento_model_info" and sample.value
            }
            assert shown == {("champion", "2"), ("challenger", "1")}
            page = service.metrics.page().decode()
            assert page.count("tabento_model_info{") == 2

    asyncio.run(run())


def answered_by(reply: DirectReply) -> int:
    assert reply.predictions is not None
    (confidence,) = reply.predictions.confidences
    return number_of(confidence)

"""The challenger in shadow predicts what was answered, beside the answers, and holds up nobody."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from service.audit.columns import SHADOWED
from service.audit.file.shadow_row import ShadowRow, read_shadow
from service.audit.write.audit_log import AuditLog
from service.audit.write.committer import Mode
from service.inference import shadow
from service.inference.served_models import Serving
from service.telemetry.metrics import Metrics
from tests.support.audit.failing_logs import full_disk
from tests.support.audit.log_files import rows
from tests.support.direct_requests import DirectService, direct_service
from tests.support.telling_models import FAILS, number_of, seen_by, serving_of, telling_model
from tests.support.waiting import until_true


def shadowed(db: Path) -> dict[str, tuple[ShadowRow, str]]:
    """What the log has of the challengers, with the id of the model of each record."""
    found = rows(db, f"SELECT * FROM request WHERE status = {SHADOWED:d}")
    return {
        row["request_id"]: (read_shadow(row["request_json"], row["response_json"]), row["model_id"])
        for row in found
    }


def shadow_of(metrics: Metrics, *, call_s: float = 0.0, first: int = 1) -> Serving:
    challenger = telling_model(first + 1, metrics, call_s=call_s)
    return serving_of(telling_model(first, metrics), challenger, "shadow")


async def settled(service: DirectService, total: int) -> dict[str, float]:
    """The counts of the rows in shadow, once there are so many."""

    def counts() -> dict[str, float]:
        outcomes = ("predicted", "failed", "dropped")
        return {name: service.counted("tabento_shadow_rows_total", outcome=name) for name in outcomes}

    await until_true(lambda: sum(counts().values()) >= total, "each row is counted", state=counts)
    return counts()


@pytest.mark.parametrize("mode", ["strict", "relaxed"])
def test_each_answered_request_is_recorded_beside_its_answer(tmp_path: Path, mode: Mode) -> None:
    db, metrics = tmp_path / "audit.db", Metrics(CollectorRegistry())

    async def run() -> Serving:
        serving = shadow_of(metrics)
        async with direct_service(db, serving, metrics, mode) as service:
            for number in range(20):
                await service.ask(float(number), 0.5, request_id=f"r-{number}", person="ada")
            assert await settled(service, 40) == {"predicted": 40, "failed": 0, "dropped": 0}
        return serving

    serving = asyncio.run(run())
    found = shadowed(db)
    assert [*found] == [f"r-{number}" for number in range(20)]
    assert serving.challenger is not None
    for row, model_id in found.values():
        assert model_id == row.model_id == serving.challenger.identity.model_id
        assert row.champion.model_id == serving.champion.identity.model_id
        assert [number_of(max(each)) for each in row.probabilities] == [2, 2]
        assert [*map(number_of, row.champion.confidences)] == [1, 1]
        assert (row.release_id, row.differs, row.error) == ("5" * 32, 0, None)
    subjects = rows(db, "SELECT DISTINCT subject, transport, route FROM request ORDER BY route")
    assert len({row["subject"] for row in subjects}) == 1
    assert [row["route"] for row in subjects] == ["/direct", "/shadow"]
    order = rows(db, "SELECT status, received_utc FROM request WHERE request_id = 'r-3' ORDER BY id")
    assert [row["status"] for row in order] == [200, 203]
    assert order[0]["received_utc"] < order[1]["received_utc"]


def test_what_is_refused_has_no_shadow_and_a_failing_challenger_says_why(tmp_path: Path) -> None:
    db, metrics = tmp_path / "audit.db", Metrics(CollectorRegistry())

    async def run() -> None:
        serving = serving_of(telling_model(1, metrics), telling_model(2, metrics), "shadow")
        assert serving.challenger is not None
        predictor = serving.challenger.model.predictor
        async with direct_service(db, serving, metrics) as service:
            assert (await service.ask(FAILS, request_id="failed")).status == 500
            assert (await service.ask(1.0, version="7")).status == 404
            predictor._share = float("nan")  # type: ignore[attr-defined]
            await service.ask(1.0, 2.0, request_id="r-1")
            assert await settled(service, 2) == {"predicted": 0, "failed": 2, "dropped": 0}

    asyncio.run(run())
    ((request_id, (row, _)),) = shadowed(db).items()
    assert request_id == "r-1"
    assert row.error
    assert row.predictions == ()


def test_what_does_not_fit_is_dropped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "QUEUE_ROWS", 10)
    metrics = Metrics(CollectorRegistry())

    async def run() -> None:
        async with direct_service(tmp_path / "audit.db", shadow_of(metrics, call_s=0.01), metrics) as service:
            replies = await asyncio.gather(*(service.ask(float(number)) for number in range(100)))
            assert {reply.status for reply in replies} == {200}
            counts = await settled(service, 100)
            assert counts["dropped"] > 50
            assert counts["predicted"] >= 1
            assert sum(counts.values()) == 100
            await service.ask(*map(float, range(50)))
            assert (await settled(service, 150))["predicted"] == counts["predicted"] + 50

    asyncio.run(run())


def test_a_swap_drops_what_waits_and_no_record_names_another_model(tmp_path: Path) -> None:
    db, metrics = tmp_path / "audit.db", Metrics(CollectorRegistry())

    async def run() -> None:
        async with direct_service(db, shadow_of(metrics), metrics) as service:
            for release in range(20):
                asking = [
                    service.ask(float(number), request_id=f"{release}-{number}") for number in range(30)
                ]
                await asyncio.gather(*asking)
                await asyncio.sleep(0.003)
                first = 3 + 2 * release
                serving = shadow_of(metrics, first=first)
                number = f"{release:032x}"
                service.models.swap(
                    serving._replace(release=serving.release.model_copy(update={"release_id": number}))
                )
            await settled(service, 600)

    asyncio.run(run())
    found = shadowed(db)
    assert found
    for request_id, (row, model_id) in found.items():
        release = int(request_id.partition("-")[0])
        champion = 1 if not release else 1 + 2 * release
        assert {*map(number_of, row.champion.confidences)} == {champion}
        assert {number_of(max(each)) for each in row.probabilities} == {champion + 1}
        assert row.release_id == ("5" * 32 if not release else f"{release - 1:032x}")
        assert row.model_id == model_id


def test_a_log_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry())
    reported: list[object] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        audit = AuditLog.open(tmp_path / "audit.db", sync="normal")
        async with direct_service(tmp_path / "audit.db", shadow_of(metrics), metrics, audit=audit) as service:
            await service.ask(1.0)
            await settled(service, 1)
            serving = service.models.current
            with full_disk():
                assert (await service.ask(2.0)).status == 503
                before = service.shadow.serving
                assert before is serving
            await until_true(lambda: audit.writable, "the log is written again")
            assert (await service.ask(3.0)).status == 200
            assert sum((await settled(service, 2)).values()) == 2

    asyncio.run(run())
    assert not reported


def test_a_stop_ends_soon_with_a_slow_challenger(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry())

    async def run() -> None:
        async with direct_service(tmp_path / "audit.db", shadow_of(metrics, call_s=0.02), metrics) as service:
            await asyncio.gather(*(service.ask(float(number)) for number in range(300)))
            before = service.counted("tabento_shadow_rows_total", outcome="dropped")
            await service.shadow.stop()
            assert service.counted("tabento_shadow_rows_total", outcome="dropped") > before

    asyncio.run(run())


def test_without_a_challenger_in_shadow_nothing_is_queued(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry())

    async def run() -> None:
        pair = telling_model(1, metrics), telling_model(2, metrics)
        serving = serving_of(*pair, "canary", share=0.01)
        async with direct_service(tmp_path / "audit.db", serving, metrics) as service:
            await service.ask(5.0, request_id="r-1")
            assert service.shadow.serving is None
            assert 5.0 not in seen_by(pair[1]) or 5.0 not in seen_by(pair[0])
            assert sum((await settled(service, 0)).values()) == 0

    asyncio.run(run())

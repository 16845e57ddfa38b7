"""Refusals are summed up in a bounded act once an interval, and kept while the log cannot be written."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.audit.query.acts import logged_acts
from service.audit.write.audit_log import AuditLog
from service.inference.refused_keys import MAX_COMBINATIONS, RefusedKeys
from tests.support.audit.failing_logs import wait_until_writable
from tests.support.audit.logs import locked


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    with closing(AuditLog.open(tmp_path / "audit.db", busy_timeout_ms=0)) as found:
        yield found


def details(log: AuditLog) -> list[dict[str, Any]]:
    return [act.detail for act in logged_acts(log.path, kind="refused")]


def test_refusals_of_an_interval_are_one_act(log: AuditLog) -> None:
    async def refuse() -> None:
        refused = RefusedKeys(log, interval_s=0.3)
        for _ in range(1_000):
            refused.count("/predict", 401, "http", None)
            refused.count("/metrics", 403, "grpc", "robot")
        assert details(log) == []
        await asyncio.sleep(0.8)
        assert len(details(log)) == 1
        await asyncio.sleep(0.5)  # Nothing was refused, and nothing is stated.

    asyncio.run(refuse())
    (detail,) = details(log)
    assert (detail["total"], detail["others"]) == (2_000, 0)
    assert detail["counts"] == [
        {"route": "/predict", "status": 401, "transport": "http", "key_name": None, "count": 1_000},
        {"route": "/metrics", "status": 403, "transport": "grpc", "key_name": "robot", "count": 1_000},
    ]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2 * MAX_COMBINATIONS), st.integers(1, 9)), max_size=300))
def test_an_act_is_bounded_and_its_total_is_exact(log: AuditLog, refusals: list[tuple[int, int]]) -> None:
    before = len(details(log))

    async def refuse() -> None:
        refused = RefusedKeys(log)
        for number, times in refusals:
            for _ in range(times):
                refused.count("/predict", 403, "http", f"key-{number}")
        await refused.state()

    asyncio.run(refuse())
    stated = details(log)[before:]
    assert len(stated) == bool(refusals)
    for detail in stated:
        assert len(detail["counts"]) <= MAX_COMBINATIONS
        assert detail["total"] == sum(times for _, times in refusals)
        assert detail["total"] == detail["others"] + sum(each["count"] for each in detail["counts"])


def test_what_cannot_be_written_is_stated_later(log: AuditLog) -> None:
    refused = RefusedKeys(log)

    async def refuse() -> None:
        refused.count("/predict", 401, "http", None)
        await refused.state()
        refused.count("/predict", 401, "http", None)
        refused.count("/batch", 401, "http", None)

    with locked(log.path):
        asyncio.run(refuse())
    assert details(log) == []
    wait_until_writable(log)
    asyncio.run(refused.state())
    (detail,) = details(log)
    assert detail["total"] == 3
    assert {each["route"]: each["count"] for each in detail["counts"]} == {"/predict": 2, "/batch": 1}

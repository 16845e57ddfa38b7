"""Acts through the writer process: recorded before the caller goes on, once, whatever ends meanwhile."""

import asyncio
import signal
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from service.audit.act import SERVICE, Act, Actor, make_act, model_act
from service.audit.prove.verify import verify
from service.audit.query.acts import logged_acts
from service.audit.write.audit_log import AuditLog
from service.audit.write.committer import Mode
from service.errors import AuditUnavailable
from service.model.model_id import canonical_json, model_id_of
from tests.support.audit.failing_logs import append_all, wait_until_writable
from tests.support.audit.log_files import stated
from tests.support.audit.logs import ANSWERED, locked, numbered, read, writing

CARD: dict[str, object] = {"tag": "iris_classifier:abc"}
MODEL_ID = model_id_of(canonical_json(CARD))
MODEL = model_act(MODEL_ID, CARD)


def a_read() -> Act:
    return make_act("read", Actor("robot", "key"), {"rows": 1})


def test_an_act_is_on_disk_when_the_caller_goes_on_and_is_not_counted_as_a_record(tmp_path: Path) -> None:
    async def append() -> None:
        await asyncio.gather(*(log.append(record) for record in numbered(5)), log.append_act(a_read()))
        assert [act.kind for act in logged_acts(log.path)] == ["read"]

    with closing(AuditLog.open(tmp_path / "audit.db")) as log:
        asyncio.run(append())
        assert (log.written, log.failed, log.queued) == (5, 0, 0)
    assert verify(log.path).ok


@pytest.mark.parametrize("mode", ["strict", "relaxed"])
def test_an_act_that_cannot_be_written_is_no_record_that_failed(tmp_path: Path, mode: Mode) -> None:
    log = AuditLog.open(tmp_path / "audit.db", busy_timeout_ms=0, mode=mode)
    with locked(log.path):
        if mode == "strict":
            with pytest.raises(AuditUnavailable):
                asyncio.run(log.append_act(a_read()))
        else:
            asyncio.run(log.append_act(a_read()))
            asyncio.run(asyncio.sleep(0.2))
    wait_until_writable(log)
    log.close()

    assert log.failed == 0
    assert len([*logged_acts(log.path)]) == (mode == "relaxed")
    assert verify(log.path).ok


def test_every_writer_process_knows_the_models(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db")
    log.declare(MODEL)
    writing(log.path).send_signal(signal.SIGKILL)
    append_all(log, numbered(1))
    wait_until_writable(log)
    assert append_all(log, [replace(ANSWERED, model_id=MODEL_ID)]) == [type(None)]
    log.close()

    assert [act.kind for act in logged_acts(log.path)] == ["model"]
    assert verify(log.path).problems == []


def test_an_act_is_written_once_or_in_a_gap_when_the_writer_process_is_killed_in_relaxed_mode(
    tmp_path: Path,
) -> None:
    async def append() -> None:
        for number in range(60):
            await log.append(replace(ANSWERED, request_id=f"r-{number}"))
            await log.append_act(make_act("start", SERVICE, {"number": number}))
            if number == 30:
                writing(log.path).send_signal(signal.SIGKILL)
            await asyncio.sleep(0.01)

    log = AuditLog.open(tmp_path / "audit.db", mode="relaxed")
    asyncio.run(append())
    log.close()

    acts = [str(act.detail["number"]) for act in logged_acts(log.path)]
    assert len(acts) == len({*acts})
    assert len(acts) + len(read(log.path)) + stated(log.path) == 120
    assert verify(log.path).problems == []

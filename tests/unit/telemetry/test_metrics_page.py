"""One page of the metrics serves all who asked before it began, and has what had happened by then."""

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from service.telemetry.metrics import Metrics
from service.telemetry.metrics_page import MetricsPage
from service.telemetry.tally import Tally
from tests.support.waiting import PATIENCE_S, until_true


class Counted:
    """A page that says how often the tally was written."""

    def __init__(self) -> None:
        self.tallied = 0
        self.rendered = 0
        self.tally = Tally(Metrics(CollectorRegistry()), self.records)

    def records(self) -> dict[str, int]:
        self.tallied += 1
        return {"queued": 0}

    def render(self) -> bytes:
        self.rendered += 1
        return b"%d" % self.tallied

    def page(self, render: Callable[[], bytes] | None = None) -> MetricsPage:
        return MetricsPage(self.tally, render or self.render)


def test_all_who_ask_at_the_same_time_get_one_page() -> None:
    async def run() -> None:
        counted = Counted()
        page = counted.page()
        assert await asyncio.gather(*[page.get() for _ in range(100)]) == [b"1"] * 100
        assert counted.rendered == 1

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


def test_a_request_during_rendering_gets_the_next_page() -> None:
    async def run() -> None:
        counted = Counted()
        page = counted.page()
        first = asyncio.create_task(page.get())
        await until_true(lambda: counted.tallied, "the page is being rendered", step_s=0.001)
        assert await asyncio.gather(*[page.get() for _ in range(100)]) == [b"2"] * 100
        assert await first == b"1"

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


def test_a_disconnected_client_leaves_the_others_their_page_and_an_error_ends_with_its_page() -> None:
    async def run() -> None:
        counted = Counted()
        page = counted.page()
        gone, stays = asyncio.create_task(page.get()), asyncio.create_task(page.get())
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == b"1"

        def fail_first() -> bytes:
            if counted.render() == b"2":
                raise OSError("the disk is away")
            return b"whole"

        failing = counted.page(fail_first)
        with pytest.raises(OSError, match="away"):
            await failing.get()
        assert await failing.get() == b"whole"

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))

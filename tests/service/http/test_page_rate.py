"""Pages leave at a bounded rate, what decides whether the service is alive at once."""

import asyncio
from time import monotonic

from starlette.types import Receive, Scope, Send

from service.http import paths
from service.http.page_rate import PAGES_AT_ONCE, PAGES_PER_S, PageRate


class Begun:
    """An application that notes what it was asked for."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        self.paths.append(scope["path"])


async def ask(pages: PageRate, path: str, type_: str = "http") -> None:
    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(_: object) -> None:
        pass

    await pages({"type": type_, "path": path}, receive, send)


def test_a_few_pages_begin_at_once_and_those_beyond_at_a_rate() -> None:
    async def run() -> None:
        app = Begun()
        pages = PageRate(app)
        started = monotonic()
        asking = [asyncio.create_task(ask(pages, paths.OPENAPI)) for _ in range(PAGES_AT_ONCE + 50)]
        await asyncio.sleep(0)
        assert len(app.paths) <= PAGES_AT_ONCE + 1
        await asyncio.gather(*asking)
        assert monotonic() - started >= 49 / PAGES_PER_S

    asyncio.run(asyncio.wait_for(run(), 30))


def test_what_decides_whether_the_service_is_alive_does_not_wait_behind_pages() -> None:
    async def run() -> list[str]:
        app = Begun()
        pages = PageRate(app)
        asking = [asyncio.create_task(ask(pages, "/nowhere")) for _ in range(PAGES_AT_ONCE + 50)]
        await asyncio.sleep(0)
        before = len(app.paths)
        for path in (paths.LIVE, paths.READY, paths.HEALTH, paths.HISTORY):
            await ask(pages, path)
        await ask(pages, "/nowhere", "websocket")
        for task in asking:
            task.cancel()
        return app.paths[before:]

    assert asyncio.run(asyncio.wait_for(run(), 30)) == [
        paths.LIVE, paths.READY, paths.HEALTH, paths.HISTORY, "/nowhere",
    ]  # fmt: skip


def test_no_page_waits_for_longer_than_seconds_however_many_are_asked_for() -> None:
    async def run() -> None:
        pages = PageRate(Begun())
        waiting = [asyncio.create_task(ask(pages, paths.INDEX)) for _ in range(5_000)]
        await asyncio.sleep(0)
        started = monotonic()
        await ask(pages, paths.INDEX)
        assert monotonic() - started < 5_000 / PAGES_PER_S / 2
        await asyncio.gather(*waiting)

    asyncio.run(asyncio.wait_for(run(), 60))

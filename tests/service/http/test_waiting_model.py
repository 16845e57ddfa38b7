"""A service of a name serves its champion while a newer model waits, and says so."""

import time
from collections.abc import Callable

import httpx
from bentoml._internal.models import ModelStore

from service.model.newer_model import REFRESH_INTERVAL_S
from tests.support.servers import Serve


def health_with(client: httpx.Client, tag: str) -> dict[str, object]:
    """The answer of /health once it names this newer model."""
    deadline = time.monotonic() + 3 * REFRESH_INTERVAL_S
    while True:
        health: dict[str, object] = client.get("/health").raise_for_status().json()
        if health.get("newer_model") == tag or time.monotonic() > deadline:
            return health
        time.sleep(0.2)


def test_the_champion_is_served_and_health_and_the_start_line_name_the_newer_model(
    publish_picky: Callable[..., str], store: ModelStore, serve: Serve
) -> None:
    name = "followed"
    champion = publish_picky(name)
    second = publish_picky(name, champion)
    server = serve(model=name)
    (line,) = [line for line in server.log.splitlines() if "Serving followed_logistic_regression" in line]
    assert f"({champion})" in line
    assert line.endswith(f", the newer model {second} is not the champion")
    with httpx.Client(base_url=server.url) as client:
        health = client.get("/health").json()
        assert health["model"] == champion
        assert (health["newer_model"], health["newer_model_is_champion"]) == (second, False)

        third = publish_picky(name)
        health = health_with(client, third)
        assert health["model"] == champion
        assert (health["newer_model"], health["newer_model_is_champion"]) == (third, True)

        store.delete(second)
        store.delete(third)
        deadline = time.monotonic() + 3 * REFRESH_INTERVAL_S
        while "newer_model" in health and time.monotonic() < deadline:
            time.sleep(0.2)
            health = client.get("/health").json()
        assert "newer_model" not in health
    server.stop()

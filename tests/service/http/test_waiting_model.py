"""A service of a name serves its champion while a newer model waits, and says so."""

from collections.abc import Callable

import httpx
from bentoml._internal.models import ModelStore

from tests.support.servers import Serve
from tests.support.waiting import await_true


def health_with(client: httpx.Client, tag: str | None) -> dict[str, object]:
    """The answer of /health once it names this newer model, or none."""

    def health() -> dict[str, object]:
        found: dict[str, object] = client.get("/health").raise_for_status().json()
        return found

    def matching() -> dict[str, object]:
        found = health()
        return found if found.get("newer_model") == tag else {}

    return await_true(matching, f"the newer model is {tag}", step_s=0.2, state=health)


def test_the_champion_is_served_and_health_and_the_start_line_name_the_newer_model(
    publish_picky: Callable[..., str], store: ModelStore, serve: Serve
) -> None:
    name = "followed"
    champion = publish_picky(name)
    second = publish_picky(name, champion)
    server = serve(model=name)
    line = server.await_line("Serving followed_logistic_regression")
    assert server.log.count("Serving followed_logistic_regression") == 1
    assert f"({champion})" in line
    assert line.endswith(f", the newer model {second} is not the champion")
    with httpx.Client(base_url=server.url, timeout=30) as client:
        health = client.get("/health").json()
        assert health["model"] == champion
        assert (health["newer_model"], health["newer_model_is_champion"]) == (second, False)

        third = publish_picky(name)
        health = health_with(client, third)
        assert health["model"] == champion
        assert (health["newer_model"], health["newer_model_is_champion"]) == (third, True)

        store.delete(second)
        store.delete(third)
        assert "newer_model" not in health_with(client, None)
    server.stop()

"""A model from before the training profile, or without one for another reason."""

from collections.abc import Callable

import httpx

from tests.support.servers import Serve, await_workers


def test_a_model_without_a_training_profile_is_served_and_the_log_says_once_that_drift_is_not_measured(
    publish_picky: Callable[..., str], serve: Serve
) -> None:
    tag = publish_picky("unprofiled")
    server = serve(model="unprofiled", options=("--api-workers", "2"))
    await_workers(server.url, 2)
    answer = httpx.post(f"{server.url}/predict", json={"letter": "a"}, timeout=30)
    assert answer.json()["predictions"] == ["A"]
    assert httpx.get(f"{server.url}/model/info", timeout=30).json()["has_profile"] is False
    server.stop()
    (line,) = [line for line in server.log.splitlines() if "Drift is not measured" in line]
    assert f"because {tag} has no training profile; a model that is trained now gets one." in line

"""``make demo`` tells its story to the end, and its proof holds."""

import os

from tests.support.servers import run


def test_the_service_learns_a_changed_world_by_itself_and_rolls_a_bad_model_back() -> None:
    story = run("-m", "load_tests.demo", env=dict(os.environ)).stdout
    parts = ("the loss is confirmed", "passed the gate", "the challenger is promoted", "quality recovers")
    places = [story.index(part) for part in (*parts, "the bad challenger is rolled back", "The proof")]
    assert places == sorted(places)
    assert "0 under another model, 0 not recorded, 0 failed" in story
    assert "\nok: " in story

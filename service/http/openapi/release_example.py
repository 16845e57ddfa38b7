"""Examples of a release and of its challenger, for the messages that show them."""

from datetime import UTC, datetime

from pydantic import JsonValue

from service.model.label import Label
from service.native.release_view import ChallengerView, ReleaseHealth, ReleaseView

_VERSION = "2"
_ID = "b1d27583f0c4e6a9"


def release(model: str) -> ReleaseView:
    """A release of a model of this name with a challenger in shadow."""
    challenger = ChallengerView(tag=f"{model}:x7qk2mzu6gbnmbkq", model_version=_VERSION, model_id=_ID)
    return ReleaseView(
        release_id="9c1f0b7ad3e24b0c8f5d6a1e2b3c4d5e",
        since_utc=datetime(2026, 7, 1, 8, tzinfo=UTC),
        mode="shadow",
        share=0.0,
        challenger=challenger,
    )


def release_in_force(model: str) -> ReleaseHealth:
    """The same in ``/health``."""
    return ReleaseHealth(**dict(release(model)), state="in force")


def shadow(label: Label) -> dict[str, JsonValue]:
    """What the challenger says beside an answer with this label."""
    return {
        "model_version": _VERSION,
        "model_id": _ID,
        "predictions": [label],
        "differs": 0,
        "error": None,
    }

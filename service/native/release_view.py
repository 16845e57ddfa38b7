"""The release that a worker serves, as clients see it in ``/health`` and ``/model/info``."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from service.inference.served_models import LoadedModel, Serving
from service.model.release.release import Mode
from service.model.release.release_state import ReleaseState


class ChallengerView(BaseModel):
    """The challenger, loaded."""

    model_config = ConfigDict(protected_namespaces=())

    tag: str = Field(description="The BentoML model.")
    model_version: str
    model_id: str = Field(description="The id of its card, as answers and records have it.")


class ReleaseView(BaseModel):
    """What is served, and how."""

    release_id: str
    since_utc: AwareDatetime
    mode: Mode = Field(
        description="`single`: the champion alone. `shadow`: the challenger predicts what the champion "
        "answered, and no client sees it. `canary`, `ab`: the challenger answers a share of the requests."
    )
    share: float = Field(description="The share of the persons or requests that the challenger answers.")
    challenger: ChallengerView | None = Field(
        default=None, description="Null, or left out, if there is none."
    )


class ReleaseHealth(ReleaseView):
    """The same, and what became of the release that is wanted."""

    state: Literal["in force", "loading", "refused", "none"] = Field(
        description="Of the release that is wanted. `loading`, `refused`: another is served until then. "
        "`none`: there is no release file, and one model is served."
    )
    reason: str | None = Field(default=None, description="Why it is not in force.")


def release_view(serving: Serving) -> ReleaseView:
    """What is served."""
    release = serving.release
    return ReleaseView(
        release_id=release.release_id,
        since_utc=release.since_utc,
        mode=release.mode,
        share=release.share,
        challenger=None if serving.challenger is None else _challenger(serving.challenger),
    )


def release_health(serving: Serving, state: ReleaseState) -> ReleaseHealth:
    """What is served, and the state of what is wanted."""
    view = release_view(serving)
    return ReleaseHealth(**dict(view), state=state.state, reason=state.reason or None)


def _challenger(loaded: LoadedModel) -> ChallengerView:
    return ChallengerView(tag=loaded.tag, model_version=loaded.version, model_id=loaded.identity.model_id)

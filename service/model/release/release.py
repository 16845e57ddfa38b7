"""The release: the champion, at most one challenger, and which requests each of them answers.

single    the champion alone
shadow    the champion answers; the challenger predicts the same rows afterwards, and nobody sees it
canary    the challenger answers a small share of the keys, so that harm is small and is found
ab        the challenger answers a larger share of the keys, so that a difference is found soon
"""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

Mode = Literal["single", "shadow", "canary", "ab"]
Metric = Literal["accuracy", "brier", "log_loss"]
KeyKind = Literal["subject", "request"]
Role = Literal["champion", "challenger"]

ROUTED: tuple[Mode, ...] = ("canary", "ab")
"""The modes in which the challenger answers requests."""
ROLES: tuple[Role, ...] = ("champion", "challenger")

Tag = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*:[a-z0-9][a-z0-9._-]*$", max_length=200)
]
"""A BentoML model with its version."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class Policy(_Part):
    """When the challenger is recommended, and when it goes."""

    metric: Metric = "accuracy"
    """What is compared where labels have come."""
    margin: float = Field(default=0.01, ge=0, le=1)
    """By how much the challenger may be worse, in units of the metric, and still be promoted."""
    min_labels: int = Field(default=500, ge=1, le=1_000_000)
    """Labelled rows below which nothing is promoted."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """The largest probability of a false verdict, however often it is looked."""
    max_failure_increase: float = Field(default=0.01, gt=0, le=1)
    """Guardrail: by how much the share of failed requests may be higher."""
    max_latency_ratio: float = Field(default=2.0, gt=1, le=100)
    """Guardrail: how many times as long as the champion's the challenger's answers may take (geometric
    mean)."""
    max_calibration_gap: float = Field(default=0.1, gt=0, le=1)
    """Guardrail: by how much the challenger's mean confidence may differ from its accuracy."""
    fallback_hours: float = Field(default=24.0, ge=0, le=8_760)
    """How long the old champion stays in shadow after a promotion."""


class Release(_Part):
    """What is served. It is immutable: each change is another release with another id."""

    format: Literal[1] = 1
    release_id: Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
    since_utc: AwareDatetime
    champion: Tag
    challenger: Tag | None = None
    mode: Mode = "single"
    share: float = Field(default=0.0, ge=0, le=1)
    """The share of the keys that the challenger answers; 0 unless the mode is canary or ab."""
    key: KeyKind = "subject"
    """subject: requests of one X-Subject-ID get one model, other requests one by their id. request: always
    by the request id."""
    salt: str = Field(default="", max_length=64)
    """What the assignment of keys depends on. It stays while the share of the same challenger changes, so
    that a key that has the challenger keeps it when the share grows."""
    is_fallback: bool = False
    """Whether the challenger is the former champion, which stays in shadow after a promotion."""
    previous: Tag | None = None
    """The champion that a rollback returns to, if there is one."""
    policy: Policy = Policy()
    reason: str = Field(default="", max_length=1_000)
    changed_by: str = Field(default="", max_length=200)

    @model_validator(mode="after")
    def _fits_its_mode(self) -> Self:
        if (self.mode == "single") != (self.challenger is None):
            raise ValueError("a release has a challenger if and only if its mode is not single")
        if self.share and self.mode not in ROUTED:
            raise ValueError(f"a release in mode {self.mode} has no share")
        if self.challenger == self.champion:
            raise ValueError("the challenger is the champion")
        names = {tag.partition(":")[0] for tag in (self.champion, self.challenger, self.previous) if tag}
        if len(names) > 1:
            raise ValueError(f"a release is of one model name, not of {' and '.join(sorted(names))}")
        return self

    @property
    def name(self) -> str:
        """The BentoML name of its models."""
        return self.champion.partition(":")[0]

    @property
    def is_routed(self) -> bool:
        """Whether the challenger answers requests."""
        return self.mode in ROUTED

    @property
    def tags(self) -> tuple[str, ...]:
        """The models that it needs loaded, the champion first."""
        return (self.champion,) if self.challenger is None else (self.champion, self.challenger)


def single(tag: str, release_id: str, since_utc: datetime) -> Release:
    """The release of one model."""
    return Release(release_id=release_id, since_utc=since_utc, champion=tag)

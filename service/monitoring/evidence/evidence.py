"""The evidence: the one statement about a release that every page, command, gauge and decision uses."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from service.model.release.release import Metric, Release

Action = Literal["wait", "promote", "roll_back", "freeze", "end_fallback"]
"""wait: the evidence does not suffice. freeze: the split is not as assigned, so no figure counts: roll back.
end_fallback: the time in which the former champion stays in shadow is over."""
GuardrailName = Literal["failures", "latency", "calibration", "split"]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), use_attribute_docstrings=True
    )


class Difference(_Part):
    """Challenger's figure minus champion's, with an interval that is valid at every look.

    It is oriented: positive is better, also for losses (brier, log_loss).
    """

    metric: Metric
    champion: float | None = None
    challenger: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    labelled: int = 0
    """Rows with a label: of pairs in shadow, of both models together in canary and ab."""
    is_paired: bool = False


class Discordance(_Part):
    """The labelled pairs of which one model is right (sequential McNemar test)."""

    only_champion_right: int = 0
    only_challenger_right: int = 0
    e_value: float = 1.0
    """Evidence against both being right equally often; it exceeds 1 / alpha with probability alpha at most,
    if they are."""


class Disagreement(_Part):
    """Without labels: how often the models differ."""

    rows: int = 0
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    confidence_difference: float | None = None
    """Mean of challenger's minus champion's confidence."""
    confidence_low: float | None = None
    confidence_high: float | None = None
    examples: tuple[tuple[str, str, int], ...] = ()
    """The most frequent ones: champion's label, challenger's label, rows."""


class RoleTraffic(_Part):
    """The traffic of one model since the release began."""

    requests: int = 0
    rows: int = 0
    failed_requests: int = 0
    flagged_rows: int = 0
    keys: int = 0
    mean_ms: float | None = None
    """Geometric mean of the durations."""
    mean_confidence: float | None = None


class Guardrail(_Part):
    """A limit that ends a release."""

    name: GuardrailName
    is_broken: bool = False
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    text: str = ""
    """What it states, in a sentence."""


class Evidence(_Part):
    """What is known of a release, and what its policy recommends."""

    assessed_utc: AwareDatetime
    release: Release
    read_upto_id: int
    champion: RoleTraffic = RoleTraffic()
    challenger: RoleTraffic = RoleTraffic()
    differences: tuple[Difference, ...] = ()
    """Of accuracy, brier and log_loss, as far as they can be computed; the policy's metric first."""
    discordance: Discordance | None = None
    disagreement: Disagreement | None = None
    guardrails: tuple[Guardrail, ...] = ()
    action: Action = "wait"
    reasons: tuple[str, ...] = ()
    """Why, a sentence each."""
    needed: str = ""
    """While it waits: what is missing, in a sentence."""

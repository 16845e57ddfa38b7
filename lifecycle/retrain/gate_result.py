"""The verdict of the gate: a check for each thing that a challenger must not be worse in."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.model.release.release import Metric

Verdict = Literal["passed", "failed", "cannot tell"]
CheckName = Literal["rows", "quality", "calibration", "segments", "latency", "size", "contract", "release"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class GateLimits(_Part):
    """What the gate demands."""

    metric: Metric = "accuracy"
    margin: float = Field(default=0.01, ge=0, le=1)
    """By how much the challenger may be worse, in units of the metric."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """The interval of the difference misses with this probability at most."""
    min_rows: int = Field(default=200, ge=1)
    """Rows below which the gate cannot tell."""
    max_calibration_gap: float = Field(default=0.1, gt=0, le=1)
    """By how much the mean confidence may differ from the accuracy."""
    max_segment_loss: float = Field(default=0.05, gt=0, le=1)
    """By how much the accuracy within a segment may be lower."""
    max_latency_ratio: float = Field(default=3.0, gt=1)
    """How many times as long as the champion the challenger may take for a row."""
    max_size_mb: float = Field(default=200.0, gt=0)
    """Of its files, in megabytes."""


class Check(_Part):
    """One demand on the challenger."""

    name: CheckName
    verdict: Verdict
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    text: str
    """What was found, in a sentence."""


class GateResult(_Part):
    """All checks of a challenger."""

    champion: str
    challenger: str
    rows: int
    """Rows that were held out, which no model has seen."""
    limits: GateLimits
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """What follows from the checks: it passes if every one does."""
        verdicts = {check.verdict for check in self.checks}
        return "failed" if "failed" in verdicts else "cannot tell" if "cannot tell" in verdicts else "passed"

    @property
    def reasons(self) -> list[str]:
        """Why it did not pass, a sentence each; empty if it did."""
        return [check.text for check in self.checks if check.verdict != "passed"]

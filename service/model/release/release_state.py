"""The state of a worker's release, as /health and the gauges show it."""

from typing import Literal, NamedTuple


class ReleaseState(NamedTuple):
    """What became of the wanted release in one worker."""

    state: Literal["in force", "loading", "refused", "none"]
    """none: there is no release; the worker serves what it was started with, or what was in force last."""
    reason: str = ""
    """Why it is not in force, in a sentence or more; empty if it is."""


NO_RELEASE = ReleaseState("none")

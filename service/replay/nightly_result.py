"""The result of the nightly replay, in a file beside the log, from which every worker sets its gauges."""

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from service.replay.verdict import Verdict


class NightlyResult(BaseModel):
    """The last nightly replay of a log that ended."""

    model_config = ConfigDict(frozen=True)

    finished_utc: datetime
    seed: int
    """Of the sample."""
    since_utc: datetime
    """The sample is of records received from this time on."""
    is_complete: bool
    """Whether the whole sample was replayed within the limit of time."""
    counts: dict[Verdict, int]
    """The number of records of every verdict."""


def result_path(log: Path) -> Path:
    """The file with the result."""
    return log.with_name(f"{log.name}.replay.json")


def lock_path(log: Path) -> Path:
    """The file whose lock the replay holds; its content is the day of the last one."""
    return log.with_name(f"{log.name}.replay.lock")


def write_result(log: Path, result: NightlyResult) -> None:
    """Replace the result."""
    new = result_path(log).with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(result.model_dump_json())
    new.replace(result_path(log))


def read_result(log: Path) -> NightlyResult | None:
    """The result; None if there is none that can be read."""
    with suppress(OSError, ValidationError):
        return NightlyResult.model_validate_json(result_path(log).read_bytes())
    return None

"""Releases a challenger in shadow, by the command of releases.

The command states who, why and what in the ledger, and the workers decide whether they take it. It runs in a
process of its own, as a person would run it: nothing here can change a release in another way.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ACTOR = "retraining"
"""Who releases, in the ledger: a program, and no person."""
_LIMIT_S = 120.0
"""Longer than the command waits for the workers."""
_REASON_LIMIT = 1_000


@dataclass(frozen=True)
class Released:
    """The challenger is in the release."""

    said: str
    """What the command wrote."""
    is_released: bool = True


@dataclass(frozen=True)
class NotReleased:
    """The challenger is registered, and not in a release."""

    reasons: tuple[str, ...]
    is_released: bool = False


def release_as_shadow(tag: str, log: Path, reason: str) -> Released | NotReleased:
    """Run ``python -m service.releases shadow``; where it refuses, its sentence is the reason."""
    about = ["--reason", reason[:_REASON_LIMIT], "--by", ACTOR, "--db", str(log.absolute())]
    command = [sys.executable, "-m", "service.releases", "shadow", tag, *about]
    try:
        done = subprocess.run(  # noqa: S603 - the project's own command
            command, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return NotReleased((f"The release was not made within {_LIMIT_S:.0f} s.",))
    if done.returncode == 0:
        return Released(done.stdout.strip())
    said = " ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-1:])
    return NotReleased((f"The release was refused: {said or f'exit code {done.returncode}'}",))

"""Programs of the system that some tests drive, and what is not tested where one is not installed."""

import os
import shutil
from collections import Counter

import pytest

PACKAGES = {"promtool": "prometheus", "postgres": "postgresql"}
"""Of the programs whose package has another name."""

_ABSENT = "not installed: "


def path_of(program: str) -> str:
    """The path of a program; where it is absent, CI fails and the test is skipped elsewhere."""
    found = shutil.which(program)
    if found is None:
        absent = f"{_ABSENT}{PACKAGES.get(program, program)}"
        if os.environ.get("CI"):
            pytest.fail(absent)
        pytest.skip(absent)
    return found


def tell_untested(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line how many tests were left out for which programs, and how to install them."""
    reasons = [
        str(report.longrepr[2]) for report in terminalreporter.getreports("skipped") if report.longrepr
    ]
    absent = Counter(reason.partition(_ABSENT)[2] for reason in reasons if _ABSENT in reason)
    if absent:
        counts = ", ".join(f"{number} need {program}" for program, number in sorted(absent.items()))
        terminalreporter.write_line(
            f"Not tested: {counts}. To test them too: .ci/install-tools {' '.join(sorted(absent))}",
            yellow=True,
        )

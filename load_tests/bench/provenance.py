"""The parts that all reports share: machine and versions, tables, verdicts."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import psutil

from load_tests.bench.http_load import generator
from load_tests.bench.serving import PROJECT

RESULTS = PROJECT / "load_tests" / "results"
_LIBRARIES = ("apsw", "bentoml", "fastapi", "numpy", "pydantic", "scikit-learn", "starlette", "uvicorn")


class Verdict(NamedTuple):
    """Whether an objective is met."""

    met: bool | None
    """None if it was not measured."""
    sentence: str

    @classmethod
    def at_least(cls, sentence: str, value: float | None, limit: float, form: str = ",.0f") -> "Verdict":
        """Met by the limit and any larger value; None is a value that was not measured."""
        return cls._of(sentence, value, value is not None and value >= limit, form)

    @classmethod
    def at_most(cls, sentence: str, value: float | None, limit: float, form: str = ",.0f") -> "Verdict":
        """Met by the limit and any smaller value; None is a value that was not measured."""
        return cls._of(sentence, value, value is not None and value <= limit, form)

    @classmethod
    def _of(cls, sentence: str, value: float | None, reached: bool, form: str) -> "Verdict":
        if value is None:
            return cls(None, sentence)
        return cls(reached, f"{sentence} ({value:{form}})")

    def __str__(self) -> str:
        word = {True: "met", False: "missed", None: "not measured"}[self.met]
        return f"{word}: {self.sentence}"


def provenance() -> dict[str, object]:
    """The time, commit, machine and library versions of a benchmark."""
    return {
        "measured_utc": f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}",
        "commit": _commit(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 1024**3, 1),
            "system": f"{platform.system()} {platform.release()}",
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        "load": generator(),
    }


def _commit() -> str:
    command = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


def _processor() -> str:
    # platform.processor() is empty on most Linux systems.
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def setting(report: Mapping[str, object]) -> list[str]:
    """The lines of a page that state commit, time, machine and versions."""
    machine, versions = report["machine"], report["versions"]
    if not isinstance(machine, Mapping) or not isinstance(versions, Mapping):
        raise TypeError("a report must contain provenance()")
    return [
        f"At {report['commit']}, {report['measured_utc']}, on {machine['cores']} cores of",
        f"{machine['processor']}, {machine['memory_gb']} GB, {machine['system']}, shared by services and",
        f"load ({report['load']}).",
        ", ".join(f"{name} {number}" for name, number in versions.items()) + ".",
    ]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(str, line))} |" for line in lines]


def write_report(
    name: str, report: Mapping[str, object], page: Sequence[str], verdicts: Sequence[Verdict], folder: Path
) -> int:
    """Write a report as JSON and as a page, print the page; returns the exit code."""
    text = "\n".join([*page, "", "Objectives:", "", *(f"- {verdict}" for verdict in verdicts), ""])
    objectives = [{"met": verdict.met, "objective": verdict.sentence} for verdict in verdicts]
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({**report, "objectives": objectives}, indent=2) + "\n")
    (folder / f"{name}.md").write_text(text)
    sys.stdout.write(text)
    return int(any(verdict.met is False for verdict in verdicts))

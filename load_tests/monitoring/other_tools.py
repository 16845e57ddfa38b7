"""Monitoring beside other tools with their defaults, on the same rows."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from load_tests.bench.serving import PROJECT
from load_tests.monitoring.made_columns import Change
from load_tests.monitoring.row_streams import CATEGORIES_FROM, own_flags, row_stream
from service.monitoring.drift.verdicts import alarms
from service.monitoring.statistics.bin_merging import Flags

TOOLS = ("evidently", "nannyml")
OWN = "Tabento"
_WINDOWS = 5


class Compared(NamedTuple):
    """A kind of stream: windows of as many rows, with a change of the first number or category, or none."""

    title: str
    changes: Mapping[int, Change]
    rows: int
    reference_rows: int = 10_000

    is_objective: bool = True
    """Whether monitoring is to find it as often as the tools."""

    @property
    def changed(self) -> int | None:
        """The place of the column that changes."""
        return next(iter(self.changes), None)


class ToolResult(NamedTuple):
    """How a tool judged the streams."""

    tool: str
    streams: int
    windows: int
    flagged: float
    """Share of windows in which it flags the changed column; without a change, any column."""
    within_5: float
    """Share of streams with two flags of one column within five windows: the rule of monitoring's alarms."""


COMPARED = (
    *(
        Compared(f"no drift, training table of {reference_rows:,} rows", {}, rows, reference_rows)
        for reference_rows, sizes in ((10_000, (100, 500, 1_000)), (150, (1_000,)))
        for rows in sizes
    ),
    *(
        Compared(f"shift of {shift:g} sigma", {0: Change(shift=shift)}, 1_000, is_objective=shift >= 0.2)
        for shift in (0.1, 0.2, 0.3, 0.5)
    ),
    Compared("inches for centimetres", {0: Change(factor=1 / 2.54)}, 1_000),
    Compared("a category of 18 % under a new name", {CATEGORIES_FROM: Change(renamed=1)}, 1_000),
)


def installed_tools() -> dict[str, Path]:
    """The Python of the environment of each tool that is installed."""
    environments = {tool: PROJECT / f".venv-{tool}" for tool in TOOLS}
    return {
        tool: environment / "bin" / "python"
        for tool, environment in environments.items()
        if (environment / "installed").exists()
    }


def compare(
    seed: int, cases: Sequence[Compared], streams: int, tools: Mapping[str, Path]
) -> list[list[ToolResult]]:
    """Judge streams of five windows of each case by monitoring and by tools.

    ``tools`` has the Python of the environment of each. A tool takes longer to start than to judge, so it is
    started once for all cases.
    """
    rng = np.random.default_rng(seed)
    own: list[Flags] = []
    with TemporaryDirectory(prefix="tabento-rows-") as folder:
        paths = [Path(folder) / f"{place}.npz" for place in range(len(cases) * streams)]
        for place, path in enumerate(paths):
            case = cases[place // streams]
            stream = row_stream(rng, _WINDOWS, case.rows, case.reference_rows, case.changes)
            own.append(own_flags(rng, stream))
            stream.save(path)
        found = {OWN: np.stack(own)}
        for tool, python in tools.items():
            found[tool] = _flags_of(tool, python, paths)
    return [
        [_result(tool, case, flags[place * streams : (place + 1) * streams]) for tool, flags in found.items()]
        for place, case in enumerate(cases)
    ]


def _flags_of(tool: str, python: Path, paths: Sequence[Path]) -> Flags:
    script = Path(__file__).with_name(f"{tool}_flags.py")
    # Neither sends usage reports.
    environment = {**os.environ, "DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
    done = subprocess.run(
        [python, script, *paths],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        raise RuntimeError(f"{script.name} failed: {done.stderr.strip().splitlines()[-1]}")
    return np.array(json.loads(done.stdout.splitlines()[-1]), dtype=np.bool_)


def _result(tool: str, case: Compared, flags: Flags) -> ToolResult:
    """From flags ``(n_streams, n_windows, n_columns)``."""
    if case.changed is not None:
        flags = flags[:, :, [case.changed]]
    alarmed = alarms(np.moveaxis(flags, 1, 2))
    return ToolResult(
        tool,
        len(flags),
        flags.shape[0] * flags.shape[1],
        float(flags.any(axis=2).mean()),
        float(alarmed.any(axis=(1, 2)).mean()),
    )

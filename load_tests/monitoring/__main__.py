"""``make bench-monitoring``: false alarms, power and delay of monitoring, on simulated streams.

Beside it, Evidently and NannyML judge the same rows with their defaults, where they are installed in
``.venv-evidently`` and ``.venv-nannyml``. The figures are written to ``monitoring.md`` and
``monitoring.json`` in ``load_tests/results``. Exits with 0 if no objective is missed, and with 1 otherwise.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from load_tests.bench.provenance import RESULTS, provenance, write_report
from load_tests.monitoring.drift_power import detect, scenarios
from load_tests.monitoring.false_alarms import column_months, rates
from load_tests.monitoring.made_streams import MIXED
from load_tests.monitoring.monitoring_report import NoDrift, Results, as_data, as_markdown, verdicts
from load_tests.monitoring.other_tools import (
    COMPARED,
    TOOLS,
    compare,
    installed_tools,
)
from load_tests.monitoring.quality_streams import (
    FALSE_ALARM_CASES,
    FLIP_CASES,
    QualityCase,
    QualityRow,
    quality_rows,
)
from load_tests.monitoring.sequence_coverage import CoverageRow, coverage_rows
from load_tests.monitoring.weekly_streams import weekly
from training.publish.reference.held_out_quality import held_out_quality

T = TypeVar("T")
_FLIPS = (0.1, 0.2)


class Size(NamedTuple):
    """How much is simulated."""

    window_rows: Sequence[int] = (50, 100, 500, 1_000, 10_000, 100_000)
    n_columns: Sequence[int] = (4, 20, 200)
    tables: int = 400
    """Training tables of a row of false alarms, with ten column-months each."""
    power_tables: int = 20
    weekly_streams: int = 20
    label_streams: int = 100
    coverage_runs: int = 5_000
    tool_streams: int = 30
    scenario_step: int = 1
    """Of the kinds of streams, every so many is measured."""

    def scaled(self, factor: float) -> "Size":
        """As many streams times the factor."""
        numbers = (round(factor * each) for each in self[2:8])
        return Size(self.window_rows, self.n_columns, *(max(1, number) for number in numbers))


QUICK = Size((500,), (4, 20), 2, 1, 1, 1, 20, 1, scenario_step=7)


def main() -> int:
    """Simulate everything and write the report."""
    options = _parser().parse_args()
    size = QUICK if options.quick else Size().scaled(options.scale)
    tools = {} if options.quick else installed_tools()
    for tool in TOOLS:
        if tool not in tools:
            sys.stderr.write(f"{tool} IS LEFT OUT: .venv-{tool} is not installed, or little is simulated.\n")
    with ProcessPoolExecutor(options.processes) as pool:
        results = _measure(pool, size, tools)
    report = {**provenance(), "command": "python -m load_tests.monitoring", **as_data(results)}
    return write_report(
        "monitoring", report, as_markdown(report, results), verdicts(results), options.results
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m load_tests.monitoring", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="simulate little, without other tools, to see that it works"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="so many times as many streams")
    parser.add_argument("--processes", type=int, default=2, help="processes that simulate")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the report")
    return parser


def _measure(pool: ProcessPoolExecutor, size: Size, tools: Mapping[str, Path]) -> Results:
    changes = scenarios()[:: size.scenario_step]
    compared = COMPARED[:: size.scenario_step]
    coverage = pool.submit(_coverage, size)
    cases = [*FALSE_ALARM_CASES, *(case for case in FLIP_CASES if case.flip in _FLIPS)]
    cases = cases[:: size.scenario_step]
    labelled = [pool.submit(_labelled, place, case, size) for place, case in enumerate(cases)]
    seasonal = pool.submit(weekly, 3, size.weekly_streams)
    judged = pool.submit(compare, 6, compared, size.tool_streams, tools)
    power = [pool.submit(detect, 100 + place, each, size.power_tables) for place, each in enumerate(changes)]
    months = [
        pool.submit(_false_alarms, reference_rows, rows, size)
        for reference_rows in (10_000, 150)
        for rows in size.window_rows
    ]
    by_tools = _result(judged)
    return Results(
        false_alarms=[row for each in months for row in _result(each)],
        power=list(zip(changes, map(_result, power), strict=True)),
        weekly=_result(seasonal),
        coverage=_result(coverage),
        labelled=[_result(each) for each in labelled],
        tools=list(zip(compared, by_tools, strict=True)),
        absent=[tool for tool in TOOLS if tool not in tools],
    )


def _result(future: "Future[T]") -> T:
    found = future.result()
    sys.stderr.write(f"{found}\n")
    return found


def _coverage(size: Size) -> Sequence[CoverageRow]:
    return coverage_rows(4, size.coverage_runs)


def _labelled(seed: int, case: QualityCase, size: Size) -> QualityRow:
    (row,) = quality_rows(seed, size.label_streams, [case], held_out_quality)
    return row


def _false_alarms(reference_rows: int, rows: int, size: Size) -> list[NoDrift]:
    seed = reference_rows + rows
    features, outputs = column_months(seed, MIXED, reference_rows, rows, size.tables)
    rng = np.random.default_rng(seed)
    return [
        NoDrift(
            reference_rows,
            rows,
            n_columns,
            len(features),
            rates(rng, features, outputs, n_columns, size.tables),
        )
        for n_columns in size.n_columns
    ]


if __name__ == "__main__":
    sys.exit(main())

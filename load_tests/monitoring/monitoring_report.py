"""The report of ``make bench-monitoring``: its tables and objectives."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from load_tests.bench.provenance import Verdict, setting, table
from load_tests.monitoring.drift_power import Detection, Scenario
from load_tests.monitoring.false_alarms import Rates
from load_tests.monitoring.labelled_report import quality_lines, quality_verdicts
from load_tests.monitoring.other_tools import OWN, TOOLS, Compared, ToolResult
from load_tests.monitoring.quality_streams import QualityRow
from load_tests.monitoring.sequence_coverage import CoverageRow
from load_tests.monitoring.weekly_streams import Weekly


class NoDrift(NamedTuple):
    """A row of false alarms."""

    reference_rows: int
    rows: int
    n_columns: int
    column_months: int
    rates: Rates

    @property
    def alarm_months(self) -> float:
        """The share of months with an alarm."""
        return self.rates.months_with_alarm / self.rates.months


class Results(NamedTuple):
    """All that was measured."""

    false_alarms: Sequence[NoDrift]
    power: Sequence[tuple[Scenario, Detection]]
    weekly: Weekly
    coverage: Sequence[CoverageRow]
    labelled: Sequence[QualityRow]
    tools: Sequence[tuple[Compared, Sequence[ToolResult]]]
    absent: Sequence[str]
    """Tools that are not installed."""


def as_data(results: Results) -> dict[str, object]:
    """The figures as JSON has them."""
    return {
        "false_alarms": [
            {**row._asdict(), "rates": row.rates._asdict(), "alarm_months": row.alarm_months}
            for row in results.false_alarms
        ],
        "power": [
            {
                "title": scenario.title,
                "rows": scenario.rows,
                "reference_rows": scenario.reference_rows,
                **found._asdict(),
            }
            for scenario, found in results.power
        ],
        "weekly": results.weekly._asdict(),
        "coverage": [each._asdict() for each in results.coverage],
        "labelled": [{**row._asdict(), "case": row.case._asdict()} for row in results.labelled],
        "tools": [
            {"title": case.title, "rows": case.rows, "reference_rows": case.reference_rows, **each._asdict()}
            for case, found in results.tools
            for each in found
        ],
        "tools_left_out": list(results.absent),
    }


def verdicts(results: Results) -> list[Verdict]:
    """Every objective, and whether it is met."""
    return [
        *_of_alarms(results),
        *_of_power(results),
        *_of_tools(results),
        *quality_verdicts(results.coverage, results.labelled),
    ]


def _of_alarms(results: Results) -> Iterator[Verdict]:
    for row in results.false_alarms:
        title = f"{row.reference_rows:,} training rows, {row.n_columns} columns, windows of {row.rows:,}"
        yield Verdict.at_most(
            f"{title}: at most 1 % of months without drift have an alarm", row.alarm_months, 0.01, ".2%"
        )
    weekly = results.weekly
    later = max(weekly.alarms_in_week[2:])
    yield Verdict.at_most("weekly seasonality: no alarm from the third week on", later, 0, ".2f")
    yield Verdict.at_least(
        "a lasting shift of the same size: 99 % within five windows", weekly.lasting_within_5, 0.99, ".0%"
    )


def _of_power(results: Results) -> Iterator[Verdict]:
    for scenario, found in results.power:
        if scenario.title == "shift of 0.2 sigma" and (scenario.rows, scenario.reference_rows) == (
            1_000,
            10_000,
        ):
            yield Verdict.at_least(
                "a shift of 0.2 sigma in windows of 1,000: 99 % within five windows",
                found.within_5,
                0.99,
                ".1%",
            )


def _of_tools(results: Results) -> Iterator[Verdict]:
    for case, found in results.tools:
        by_tool = {each.tool: each for each in found}
        own = by_tool[OWN]
        for tool in TOOLS:
            other = by_tool.get(tool)
            title = f"{case.title}, windows of {case.rows:,}"
            if case.changed is None:
                limit = other.flagged / 10 if other else 0
                sentence = f"{title}: at most a tenth of the windows that {tool} flags"
                yield Verdict.at_most(sentence, own.flagged if other else None, limit, ".2%")
            elif case.is_objective:
                limit = other.within_5 if other else 0
                sentence = f"{title}: found within five windows as often as by {tool}"
                yield Verdict.at_least(sentence, own.within_5 if other else None, limit, ".0%")


def as_markdown(report: Mapping[str, object], results: Results) -> list[str]:
    """The report as tables."""
    return [
        "# Monitoring: false alarms, power, delay",
        "",
        "`make bench-monitoring`: simulated streams of windows, judged by the code of the service. Windows",
        "are drawn as counts of bins, which rows of independent values would have. A deviating window is",
        "significant and large; an alarm takes the newest of five windows and another one.",
        *setting(report),
        *_false_alarm_lines(results),
        *_power_lines(results),
        *_weekly_lines(results),
        *_tool_lines(results),
        *quality_lines(results.coverage, results.labelled),
    ]


def _false_alarm_lines(results: Results) -> list[str]:
    rows = (
        (
            f"{row.reference_rows:,}",
            f"{row.rows:,}",
            row.n_columns,
            f"{row.column_months:,}",
            f"{row.rates.months:,}",
            f"{row.rates.windows_deviating / row.rates.windows:.3%}",
            f"{row.alarm_months:.2%}",
        )
        for row in results.false_alarms
    )
    head = (
        "training rows",
        "rows a window",
        "columns",
        "column-months",
        "months",
        "deviating windows",
        "months with an alarm",
    )
    return [
        "",
        "## Without drift",
        "",
        "Mixed columns: normal, lognormal, whole numbers, booleans, 3, 8 and 50 categories, some with",
        "missing values; and the predictions. A month has 720 windows. Ten column-months share a training",
        "table; months draw their columns from all column-months.",
        "",
        *table(head, rows),
    ]


def _power_lines(results: Results) -> list[str]:
    rows = (
        (
            scenario.title,
            f"{scenario.reference_rows:,}",
            f"{scenario.rows:,}",
            f"{found.streams:,}",
            f"{found.windows_deviating:.1%}",
            f"{found.within_5:.1%}",
            f"{found.within_25:.1%}",
            "-" if found.median_delay is None else f"{found.median_delay:g}",
            f"{found.other_alarms:.1%}",
        )
        for scenario, found in results.power
    )
    head = (
        "change",
        "training rows",
        "rows a window",
        "streams",
        "deviating windows",
        "alarm within 5",
        "within 25",
        "median delay",
        "alarm of another column",
    )
    return [
        "",
        "## With a change of one of 20 mixed columns",
        "",
        "The delay is in windows; 2 is the least. A label flip changes no feature and no prediction: drift",
        "cannot see it, and live quality does, see below.",
        "",
        *table(head, rows),
    ]


def _weekly_lines(results: Results) -> list[str]:
    weekly = results.weekly
    rows = ((week, f"{number:.2f}") for week, number in enumerate(weekly.alarms_in_week, 1))
    return [
        "",
        "## Weekly seasonality",
        "",
        f"A column that shifts by half a sigma on Mondays from 8 to 18, {weekly.streams} streams, hourly",
        "windows of 1,000 rows. Where the shift begins to last in week 5, it is an alarm within five windows",
        f"in {weekly.lasting_within_5:.0%} of streams, and in {weekly.lasting_hours:.1%} of the hours after.",
        "",
        *table(("week", "hours with an alarm, a stream"), rows),
    ]


def _tool_lines(results: Results) -> list[str]:
    rows = (
        (
            case.title,
            f"{case.rows:,}",
            each.tool,
            each.streams,
            each.windows,
            f"{each.flagged:.1%}",
            f"{each.within_5:.1%}",
        )
        for case, found in results.tools
        for each in found
    )
    head = ("stream", "rows a window", "tool", "streams", "windows", "flagged windows", "2 of 5 windows")
    return [
        "",
        "## Beside other tools with their defaults",
        "",
        "The same rows: six normal columns and four of 8 categories, streams of five windows, 10,000",
        "training rows if not stated otherwise. Flagged: the changed column; without a change, any column.",
        *(f"**{tool} is left out.**" for tool in results.absent),
        "",
        *table(head, rows),
    ]

"""What is made of single rows beside others, and the load that the others are."""

import json
from pathlib import Path
from typing import Any

import pytest

from load_tests.bench.http_load import LoadResult, Work, load
from load_tests.bench.provenance import provenance, write_report
from load_tests.bench.serving import Service
from load_tests.overload.mixed import background_loads, measure
from load_tests.overload.mixed_report import (
    BackgroundLoad,
    MixedResult,
    Round,
    as_json,
    as_markdown,
    verdicts,
)

ALONE = LoadResult(6_000, 2.5, 6, 0, 36_000)
OTHER = LoadResult(50, 1_000, 1_500, 300, 400)
QUERIES = BackgroundLoad("queries", 64, Work("/history", b"", (), "GET"), min_kept=0.5)
BATCHES = BackgroundLoad("batches", 32, Work("/batch", b"{}"), max_p99_ms=250)


def beside(who: BackgroundLoad = QUERIES, other: LoadResult = OTHER, **changes: Any) -> list[MixedResult]:
    found = LoadResult(3_000, 5, 250, 0, 18_000)._replace(**changes)
    return [MixedResult(who, [Round(ALONE, found, other)] * 3)]


def missed(found: list[MixedResult]) -> list[str]:
    return [verdict.sentence for verdict in verdicts(found) if verdict.met is False]


@pytest.mark.parametrize("who", [QUERIES, BATCHES], ids=["queries", "batches"])
def test_an_objective_that_is_just_reached_is_met(who: BackgroundLoad) -> None:
    assert missed(beside(who)) == []


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            beside(per_second=2_990),
            "beside 64 connections of queries single rows keep 50% of their rate (49.8%)",
        ),
        (
            beside(BATCHES, p99_ms=251),
            "beside 32 connections of batches the p99 of single rows is within 250 ms (251.0)",
        ),
        (beside(errors=1), "beside 64 connections of queries no single row is refused or fails (3)"),
        (
            beside(other=OTHER._replace(errors=400)),
            "64 connections of queries get answers too in every round (0)",
        ),
    ],
)
def test_what_single_rows_lose_is_told(found: list[MixedResult], sentence: str) -> None:
    assert missed(found) == [sentence]


def test_what_is_kept_is_judged_round_by_round() -> None:
    half, quarter = LoadResult(3_000, 5, 10, 0, 1), LoadResult(1_500, 5, 10, 0, 1)
    rounds = [Round(ALONE, half, OTHER), Round(half, half, OTHER), Round(ALONE, quarter, OTHER)]
    assert MixedResult(QUERIES, rounds).kept == 0.5


def test_the_report_has_a_line_for_each_neighbour_and_fails_with_an_objective(tmp_path: Path) -> None:
    found = [*beside(), *beside(BATCHES, p99_ms=300)]
    report = {
        **provenance(),
        "command": "python -m load_tests.overload.mixed",
        "connections": 16,
        "rounds": 3,
        "seconds": 6.0,
        "beside": [as_json(each) for each in found],
    }
    assert write_report("mixed", report, as_markdown(report, found), verdicts(found), tmp_path) == 1
    page = (tmp_path / "mixed.md").read_text()
    assert "| 64 connections of queries | 6,000/s, p99 6.0 ms | 3,000/s | 50% |" in page
    assert "missed: beside 32 connections of batches the p99" in page
    assert len(json.loads((tmp_path / "mixed.json").read_text())["beside"]) == 2


def test_single_rows_are_measured_alone_and_beside_others(empty: Service) -> None:
    others = BackgroundLoad("queries", 2, Work("/predict", b"", (), "POST"))
    (found,) = measure(empty.url, others, rounds=1, seconds=1).rounds
    assert found.alone.requests > 0
    assert found.beside.requests > 0
    assert found.other.requests > found.other.errors


def test_a_load_may_be_of_another_method(empty: Service) -> None:
    found = load(empty.url, 2, 1, Work("/readyz", b"", (), "GET"))
    assert found.requests > found.errors == 0


def test_there_are_neighbours_of_every_kind() -> None:
    paths = {each.work.path.partition("?")[0] for each in background_loads()}
    assert paths == {"/predictions/history", "/predict/batch", "/metrics", "/docs.json", "/model/info"}

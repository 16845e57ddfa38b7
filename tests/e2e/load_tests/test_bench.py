"""What ``make bench`` makes of its figures, and what its load finds at a real server."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from load_tests.baselines.empty import BODY
from load_tests.bench import audit_cost_report
from load_tests.bench.bench_page import as_markdown
from load_tests.bench.compiled_forest import Forest
from load_tests.bench.findings import (
    AUDIT_OFF,
    ECHO,
    EMPTY,
    GRPC,
    IN_THREADS,
    MLSERVER,
    MLSERVER_GRPC,
    ON_LOOP,
    OURS,
    RELAXED,
    STOCK,
    V2,
    V2_BINARY,
    V2_FEATURES,
    Findings,
    Load,
    verdicts,
)
from load_tests.bench.http_load import ROWS, LoadResult, generator, load
from load_tests.bench.provenance import Verdict, provenance, table, write_report
from load_tests.bench.rounds import Memory, interleaved_medians
from load_tests.bench.serving import NotReady, Service, serving_asgi

BESIDE_OTHERS = {OURS: 9_000, AUDIT_OFF: 14_000, EMPTY: 30_000, ON_LOOP: 600, IN_THREADS: 400, STOCK: 500}
BY_THE_PROTOCOL = {V2: 6_300, V2_FEATURES: 6_300, V2_BINARY: 6_000, MLSERVER: 1_200}
OVER_GRPC = {GRPC: 2_400, ECHO: 4_000, MLSERVER_GRPC: 700}
SPEEDS = BESIDE_OTHERS | BY_THE_PROTOCOL | OVER_GRPC


def measured(per_second: float, p99_ms: float = 10, errors: int = 0) -> LoadResult:
    return LoadResult(per_second, 5, p99_ms, errors)


def findings(
    speeds: Mapping[str, float] = SPEEDS, connections: int = 64, forest: Forest | str = "not now"
) -> Findings:
    single = {Load(name, connections): measured(speed) for name, speed in speeds.items()}
    batch = {Load(OURS, 1): measured(100), Load(OURS, 4): measured(120), Load(ON_LOOP, 4): measured(30)}
    return Findings(single, batch, forest, Memory(1_000_000, 200, 204), (4.0, 9.0, 4.5))


def missed(found: Findings) -> list[str]:
    return [verdict.sentence for verdict in verdicts(found) if verdict.met is False]


@pytest.mark.parametrize(("p50_ms", "met"), [(0.54, True), (0.55, False)])
def test_at_one_connection_a_record_on_disk_may_double_the_time_of_an_answer(
    p50_ms: float, *, met: bool
) -> None:
    found = findings()
    single = {Load(OURS, 1): LoadResult(1_500, p50_ms, 2, 0), Load(RELAXED, 1): LoadResult(3_000, 0.27, 1, 0)}
    (verdict,) = (one for one in verdicts(found._replace(single=single)) if "one connection" in one.sentence)
    assert verdict.met is met


def test_an_objective_that_is_just_reached_is_met() -> None:
    assert missed(findings()) == []


def test_the_faster_way_of_writing_a_baseline_counts() -> None:
    assert missed(findings({**SPEEDS, IN_THREADS: 900})) == [
        "at least 14 x the requests/s of (b), the faster (10.0)"
    ]


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    found = findings(connections=16)._replace(batch={}, memory=None, starts_s=())
    judged = verdicts(found)
    assert {verdict.met for verdict in judged[:-1]} == {None}
    assert "not measured: a worker's RSS: at most 250 MB" in map(str, judged)


def test_a_forest_is_judged_by_how_much_faster_it_is_compiled() -> None:
    slow = Forest(compiled=measured(4_000), sklearn=measured(1_000))
    assert missed(findings(forest=slow)) == [
        "a forest, compiled: at least 10 x the requests/s of scikit-learn (4.0)"
    ]
    assert "4,000 requests/s compiled" in "\n".join(as_markdown(report(), findings(forest=slow)))


def test_the_protocol_is_judged_beside_the_native_route_and_beside_a_bare_server() -> None:
    assert missed(findings({**SPEEDS, V2: 6_200, V2_FEATURES: 4_500, GRPC: 2_000})) == [
        "v2, one tensor: at least 70% of the requests/s of the native route (68.9%)",
        "v2, a tensor per feature: at least 70% of the requests/s of the native route (50.0%)",
        "gRPC: at least 60% of the requests/s of (d) (50.0%)",
    ]


@pytest.mark.parametrize("variant", [V2, V2_FEATURES, V2_BINARY, GRPC])
def test_a_failed_call_by_the_protocol_is_an_objective_missed_too(variant: str) -> None:
    found = findings()
    single = {**found.single, Load(variant, 64): measured(9_000, errors=3)}
    assert missed(found._replace(single=single)) == ["no request to the service failed (3)"]


def test_each_variant_is_in_the_table_of_what_it_is_compared_with() -> None:
    page = "\n".join(as_markdown(report(), findings()._replace(left_out=["one: it is not there"])))
    native, by_http, by_grpc = page.split("| connections |")[1:4]
    assert f"| 64 | {STOCK} | 500 | 1.7% |" in native
    assert f"| 64 | {OURS} | 9,000 | 100.0% |" in by_http
    assert f"| 64 | {V2} | 6,300 | 70.0% |" in by_http
    assert f"| 64 | {MLSERVER} | 1,200 | 13.3% |" in by_http
    assert f"| 64 | {GRPC} | 2,400 | 60.0% |" in by_grpc
    assert f"| 64 | {MLSERVER_GRPC} | 700 | 17.5% |" in by_grpc
    assert GRPC not in native + by_http
    assert "(e) is MLServer 1.7.1." in by_grpc
    assert "Left out: one: it is not there." in by_grpc


def test_a_failed_request_of_the_service_is_an_objective_missed() -> None:
    found = findings()
    single = {**found.single, Load(OURS, 256): measured(9_000, errors=3)}
    assert missed(found._replace(single=single)) == ["no request to the service failed (3)"]


def test_rounds_go_there_and_back_and_their_medians_count() -> None:
    order: list[str] = []

    def measure(subject: str) -> LoadResult:
        order.append(subject)
        return measured(len(order))

    assert interleaved_medians(["a", "b"], 3, measure)["a"].per_second == 4
    assert order == ["a", "b", "b", "a", "a", "b"]


def report() -> dict[str, object]:
    return {**provenance(), "rounds": 3, "seconds": 4, "load_grpc": "h2load", "mlserver": "1.7.1"}


@pytest.mark.parametrize("met", [True, False, None])
def test_the_reports_tell_the_same_and_the_exit_code_whether_something_was_missed(
    met: bool | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = as_markdown(report(), findings())
    code = write_report("bench", report(), page, [Verdict(met, "it is fast")], tmp_path / "results")
    assert code == (met is False)
    text = (tmp_path / "results" / "bench.md").read_text()
    assert capsys.readouterr().out == text
    assert f"| 64 | {OURS} | 9,000 | 30.0% |" in text
    written = json.loads((tmp_path / "results" / "bench.json").read_text())
    assert written["objectives"] == [{"met": met, "objective": "it is fast"}]
    assert written["machine"]["cores"]


def test_the_cost_of_the_audit_log_is_judged_by_the_worst_share() -> None:
    rows = [
        audit_cost_report.Row("audit off", 1, measured(1_000), 1.0),
        audit_cost_report.Row("strict / full", 1, measured(600), 0.6),
        audit_cost_report.Row("strict / full", 2, measured(400), 0.4),
    ]
    alone = {1: 1_000, 500: 60_000}
    assert [str(verdict) for verdict in audit_cost_report.verdicts(rows, alone)] == [
        "missed: strict / full keeps 50% of audit off (40%)",
        "met: the writer alone commits 50,000 records a second (60,000)",
    ]
    told = {**report(), "connections": 64, "bytes_per_prediction": 800.0}
    page = "\n".join(audit_cost_report.as_markdown(told, rows, alone, Memory(1_000, 200, 210)))
    assert "| strict / full | 1 | 600 | 60% | 5.0 | 10.0 | 0 |" in page
    assert "200 MB after 100 requests, 210 MB after 1,000 more (+5.0%)" in page


def test_a_table_has_its_head_and_a_line_for_each_row() -> None:
    assert table(("a", "b"), [(1, "x")]) == ["| a | b |", "| --- | --- |", "| 1 | x |"]


def test_a_load_counts_what_a_server_answers(empty: Service) -> None:
    found = load(empty.url, 2, 0.2, ROWS)
    assert found.per_second > 0
    assert found.p50_ms <= found.p99_ms
    assert found.errors == 0
    assert empty.resident_mb > 1
    assert empty.cpu_s > 0
    assert generator()


def test_a_server_that_ends_says_why() -> None:
    with pytest.raises(NotReady, match="no_such_module"), serving_asgi("no_such_module:app"):
        pass


def test_a_batch_has_a_thousand_rows_and_the_empty_answer_is_json() -> None:
    assert len(json.loads(ROWS.body)["instances"]) == 1_000
    assert json.loads(BODY)["predictions"] == ["setosa"]

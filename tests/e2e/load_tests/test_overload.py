"""The open-loop load, what it counts, and what is made of it."""

import asyncio
from itertools import pairwise
from statistics import fmean
from typing import Any

import pytest

from load_tests.bench.provenance import provenance
from load_tests.bench.serving import Service, serving_asgi
from load_tests.overload.histogram import Histogram
from load_tests.overload.open_loop import Arrivals, offer, schedule
from load_tests.overload.overload_report import Overload, as_json, as_markdown, verdicts
from load_tests.overload.recovery import LightRequest, recovery_s, send_light_load
from tests.support.servers import free_port


@pytest.mark.parametrize("kind", ["constant", "poisson"])
def test_a_schedule_keeps_its_rate_and_its_end(kind: str) -> None:
    moments = list(schedule(1_000, 5, kind, seed=1))
    assert len(moments) == pytest.approx(5_000, rel=0.1)
    assert moments == sorted(moments)
    assert 0 < moments[0] < moments[-1] < 5


def test_poisson_arrivals_come_in_clusters_and_are_the_same_for_a_seed() -> None:
    first, again, other = (list(schedule(1_000, 5, "poisson", seed)) for seed in (1, 1, 2))
    gaps = [later - earlier for earlier, later in pairwise(first)]
    assert first == again != other
    assert fmean((gap * 1_000 - 1) ** 2 for gap in gaps) == pytest.approx(1, abs=0.2)


def test_every_arrival_has_one_outcome(empty: Service) -> None:
    found = asyncio.run(offer(empty.url, schedule(500, 0.5, "constant", 0), connections=50))
    sent = sum(found.outcomes.values()) - found.outcomes.get("unsent", 0)
    assert found.outcomes["200"] == sent == Histogram.sum([found.admitted_ms]).count
    assert 249 <= sum(found.outcomes.values()) <= 250
    assert 1 <= found.connections <= 50
    assert found.good <= found.outcomes["200"]


def test_refusals_are_told_apart_and_a_closed_connection_is_replaced() -> None:
    with serving_asgi("tests.support.refusing_app:app") as server:
        found = asyncio.run(offer(server.url, schedule(200, 1, "constant", 0), connections=80))
    answered, refused = found.outcomes["200"], found.outcomes["429"]
    # No arrival is unsent, although more connections are closed than may be open.
    assert set(found.outcomes) == {"200", "429"}
    assert refused > 80
    assert abs(answered - refused) <= 2
    assert Histogram.sum([found.admitted_ms]).count == answered


def test_arrivals_find_no_connection_where_none_is_allowed() -> None:
    found = asyncio.run(offer("http://127.0.0.1:1", iter([0.0, 0.001]), connections=0))
    assert found.outcomes == {"unsent": 2}


def test_latency_counts_from_the_scheduled_arrival(empty: Service) -> None:
    async def offer_late() -> Arrivals:
        now = asyncio.get_running_loop().time()
        return await offer(empty.url, iter([0.0]), connections=1, start=now - 2)

    found = asyncio.run(offer_late())
    waited_ms = Histogram.sum([found.admitted_ms]).percentile_ms(50)
    assert waited_ms is not None
    assert waited_ms >= 2_000


def test_a_server_that_is_not_there_refuses() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert asyncio.run(offer(url, iter([0.0]), connections=1)).outcomes == {"refused": 1}
    light_requests = asyncio.run(send_light_load(url, 0.05))
    assert light_requests
    assert not any(request.answered for request in light_requests)


def light_requests(seconds: float, slow_until_s: float = 0, answered: bool = True) -> list[LightRequest]:
    return [
        LightRequest(moment, 500 if moment < slow_until_s else 2, answered or moment >= slow_until_s)
        for moment in (number / 100 for number in range(int(seconds * 100)))
    ]


def test_recovery_is_when_the_first_normal_windows_begin() -> None:
    assert recovery_s(light_requests(1), light_requests(3)) == 0
    assert recovery_s(light_requests(1), light_requests(3, slow_until_s=1.1)) == 1.25
    assert recovery_s(light_requests(1), light_requests(3, slow_until_s=3)) is None
    assert recovery_s(light_requests(1), []) is None


def test_a_window_without_an_answer_is_not_normal() -> None:
    silent = [request for request in light_requests(3) if not 0 < request.moment_s < 1]
    silent[0] = silent[0]._replace(time_ms=1_000)
    assert recovery_s(light_requests(1), silent) == 1.0


def overload(**changes: Any) -> Overload:
    admitted = Histogram({200: 90_000})
    found = Overload(
        capacity=1_000,
        capacity_connections=64,
        times=3,
        seconds=100,
        deadline_ms=100,
        outcomes={"200": 90_000, "429": 208_000, "unsent": 100},
        good=90_000,
        admitted=admitted,
        late=admitted,
        connections=2_000,
        service_cpu_s=100,
        generator_cpu_s=50,
        resident_mb=[200, 204, 206, 205],
        resident_before_mb=190,
        resident_after_mb=200,
        recovery_s=0.25,
    )
    return found._replace(**changes)


def test_an_overload_that_is_borne_misses_nothing() -> None:
    assert [str(verdict) for verdict in verdicts(overload()) if not verdict.met] == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"outcomes": {"200": 90_000, "429": 100_000}}, "3 x the maximum is offered (1.90)"),
        ({"good": 80_000}, "goodput is 90% of the maximum or more (80.0%)"),
        (
            {"admitted": Histogram({2_000: 1})},
            "p99 of the admitted is within the deadline of 100 ms (200.0)",
        ),
        ({"admitted": Histogram()}, "p99 of the admitted is within the deadline of 100 ms"),
        (
            {"outcomes": {"200": 90_000, "429": 210_000, "broken": 7}},
            "requests that got neither 200 nor 429: none (7)",
        ),
        ({"resident_mb": [200, 200, 220, 200]}, "memory stays flat: under 5% of growth (10.0%)"),
        ({"recovery_s": 2.25}, "back to normal within 2 s (2.25)"),
        ({"recovery_s": None}, "back to normal within 2 s (not while it was measured)"),
    ],
)
def test_what_an_overload_breaks_is_told(changes: dict[str, Any], sentence: str) -> None:
    told = [verdict.sentence for verdict in verdicts(overload(**changes)) if not verdict.met]
    assert told == [sentence]


def test_the_page_has_the_outcomes_and_who_took_the_processor() -> None:
    asked = {
        "command": "python -m load_tests.overload",
        "arrivals": "poisson",
        "most_connections": 2_000,
    }
    report = {**provenance(), **asked, **as_json(overload())}
    page = "\n".join(as_markdown(report, overload()))
    for line in (
        "`python -m load_tests.overload`: single Iris rows",
        "| maximum, closed loop of 64 | 1,000 requests/s |",
        "| 429 | 208,000 | 2,080 |",
        "| processor, load | 0.50 cores |",
        "| offered | 2,980 requests/s, 2.98 x |",
    ):
        assert line in page

"""``make bench-shadow``: what a challenger in shadow costs the requests.

    python -m load_tests.bench.shadow_cost --rounds 10

Two services with one worker each serve the same champion, one of them with a challenger in shadow. They are
loaded in turn: with as many requests as they answer, then, in short slices, by clients that pause so long
that it is half of what the first one answers. The report has the medians of the rounds and of the pairs of
slices. The figures are written to ``shadow.md`` and ``shadow.json`` in ``load_tests/results``.

Exits with 1 if the service with the shadow answers less than 60 % of the requests, or its 99th percentile at
half load is more than 1.2 times as long.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import sleep
from typing import NamedTuple
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from load_tests.bench.http_load import LoadResult, load
from load_tests.bench.own_models import train_own_models
from load_tests.bench.provenance import RESULTS, Verdict, provenance, setting, table, write_report
from load_tests.bench.rounds import CONNECTIONS
from load_tests.bench.serving import PROJECT, Service, serving
from service.model.release.release import Release
from service.releases.next_release import challenged, first_release
from service.releases.release_file import write_release

LEAST_RATE_SHARE = 0.6
MOST_P99_RATIO = 1.2
SUBJECTS = ("without", "with")
SLICES = 4
"""Pairs of slices at half load in a round."""
_SLICE_S = 2
_REST_S = 2.0
"""Between two loads: what the last one left to do is done."""


class Round(NamedTuple):
    """What was measured of the services, by subject."""

    most: dict[str, LoadResult]
    """As many as it answers."""
    half: list[dict[str, LoadResult]]
    """At half load: pairs of slices."""


def main() -> int:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(prog="python -m load_tests.bench.shadow_cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=5, help="of each load")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the report")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="tabento-shadow-") as folder, ExitStack() as stack:
        services = _services(Path(folder), stack)
        rounds = [_round(services, number, options.seconds) for number in range(options.rounds)]
        predicted = _predicted_share(services["with"])
    shares = [each.most["with"].per_second / each.most["without"].per_second for each in rounds]
    pairs = [pair for each in rounds for pair in each.half]
    ratios = [pair["with"].p99_ms / pair["without"].p99_ms for pair in pairs]
    verdicts = [
        Verdict.at_least(
            f"with a shadow, {LEAST_RATE_SHARE:.0%} of the requests are answered",
            median(shares),
            LEAST_RATE_SHARE,
            ".0%",
        ),
        Verdict.at_most(
            f"p99 at half load is at most {MOST_P99_RATIO} times as long",
            median(ratios),
            MOST_P99_RATIO,
            ".2f",
        ),
    ]
    report = {
        **provenance(),
        "connections": CONNECTIONS,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "rate_shares": shares,
        "p99_ratios": ratios,
        "predicted_share": predicted,
        "most": [{name: one._asdict() for name, one in each.most.items()} for each in rounds],
        "half": [{name: one._asdict() for name, one in pair.items()} for pair in pairs],
    }
    return write_report("shadow", report, _page(report, rounds), verdicts, options.results)


def _services(folder: Path, stack: ExitStack) -> dict[str, Service]:
    champion, challenger = train_own_models(folder, ("logistic_regression", "random_forest"))
    services = {}
    for name in SUBJECTS:
        log = folder / name / "audit.db"
        log.parent.mkdir()
        service = stack.enter_context(
            serving(str(PROJECT), champion, TABENTO_AUDIT_DB=str(log), TABENTO_RELEASES_AUTO="off")
        )
        services[name] = service
        if name == "with":
            release = challenged(first_release(champion), challenger, "shadow")
            _put_in_force(service, log, release)
        load(service.url, CONNECTIONS, 2)
    return services


def _put_in_force(service: Service, log: Path, release: Release) -> None:
    made = release.model_copy(update={"since_utc": datetime.now(UTC), "reason": "a benchmark"})
    write_release(log.with_name(f"{release.name}.release.json"), made)
    for _ in range(600):
        with urlopen(f"{service.url}/health") as answer:
            if json.load(answer)["release"]["mode"] == "shadow":
                return
        sleep(0.1)
    raise SystemExit("the release is not in force after a minute")


def _round(services: Mapping[str, Service], number: int, seconds: float) -> Round:
    order = SUBJECTS if number % 2 == 0 else SUBJECTS[::-1]
    most = {name: _loaded(services[name], seconds) for name in order}
    pause_s = _pause_s(most["without"])
    half = []
    for pair in range(SLICES):
        turns = order if pair % 2 == 0 else order[::-1]
        half.append({name: _loaded(services[name], _SLICE_S, pause_s) for name in turns})
    return Round(most, half)


def _pause_s(most: LoadResult) -> float:
    """The pause after which a connection sends half as many requests; an answer takes little of it."""
    return CONNECTIONS / (most.per_second / 2) - CONNECTIONS / most.per_second / 4


def _loaded(service: Service, seconds: float, pause_s: float = 0.0) -> LoadResult:
    measured = load(service.url, CONNECTIONS, seconds, pause_s=pause_s)
    if measured.errors:
        raise SystemExit(f"{measured.errors} requests failed")
    sleep(_REST_S)
    return measured


def _predicted_share(service: Service) -> float:
    """Of the rows of all answers, those that the challenger predicted too."""
    with urlopen(f"{service.url}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
    rows = {
        sample.labels["outcome"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "tabento_shadow_rows_total"
    }
    return rows.get("predicted", 0.0) / max(sum(rows.values()), 1.0)


def _page(report: Mapping[str, object], rounds: Sequence[Round]) -> list[str]:
    head = (
        "challenger in shadow", "predictions/s", "predictions/s at half load", "p50 ms at half load",
        "p99 ms at half load",
    )  # fmt: skip
    lines = []
    for name in SUBJECTS:
        most = LoadResult.medians([each.most[name] for each in rounds])
        half = LoadResult.medians([pair[name] for each in rounds for pair in each.half])
        rates = (f"{each.per_second:,.0f}" for each in (most, half))
        lines.append((name, *rates, f"{half.p50_ms:.1f}", f"{half.p99_ms:.1f}"))
    return [
        "# What a challenger in shadow costs",
        "",
        "`python -m load_tests.bench.shadow_cost`: single Iris rows, one worker, medians of",
        f"{report['rounds']} rounds of {report['seconds']} s for the most, and of {SLICES} slices of",
        f"{_SLICE_S} s in turn at half load, {report['connections']} connections.",
        "The challenger is a random forest, the champion a logistic regression.",
        *setting(report),
        "",
        *table(head, lines),
        "",
        f"The challenger predicted {report['predicted_share']:.0%} of the rows. The others were dropped: the",
        "shadow takes a bounded share of a worker's time.",
    ]


if __name__ == "__main__":
    sys.exit(main())

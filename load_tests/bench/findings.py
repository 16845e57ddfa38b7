"""The figures of ``make bench``, and its objectives."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from load_tests.bench.compiled_forest import Forest
from load_tests.bench.http_load import BATCH_ROWS, LoadResult
from load_tests.bench.provenance import Verdict
from load_tests.bench.rounds import CONNECTIONS, Memory

OURS, RELAXED, AUDIT_OFF = "strict / full audit, metrics", "relaxed audit", "audit off"
EMPTY = "(a) empty ASGI app"
ON_LOOP, IN_THREADS = "(b) FastAPI, on the loop", "(b) FastAPI, in threads"
STOCK = "(c) BentoML, stock"
V2, V2_FEATURES, V2_BINARY = "v2, one tensor", "v2, a tensor per feature", "v2, one binary tensor"
GRPC = "gRPC, one tensor"
ECHO = "(d) bare grpc.aio server"
MLSERVER, MLSERVER_GRPC = "(e) MLServer, v2", "(e) MLServer, gRPC"

NATIVE = (OURS, RELAXED, AUDIT_OFF, EMPTY, ON_LOOP, IN_THREADS, STOCK)
BY_HTTP = (OURS, V2, V2_FEATURES, V2_BINARY, MLSERVER)
BY_GRPC = (GRPC, ECHO, MLSERVER_GRPC)
"""The variants that each table compares."""

_OF_THE_SERVICE = (OURS, RELAXED, AUDIT_OFF, V2, V2_FEATURES, V2_BINARY, GRPC)


class Load(NamedTuple):
    """A variant at a number of connections."""

    variant: str
    connections: int


class Findings(NamedTuple):
    """The figures of one run."""

    single: Mapping[Load, LoadResult]
    """One row a request."""
    batch: Mapping[Load, LoadResult]
    """A thousand rows a request."""
    forest: Forest | str
    """Or the reason why it was not measured."""
    memory: Memory | None
    starts_s: Sequence[float]
    left_out: Sequence[str] = ()
    """Services that are missing in the comparison, and why."""


def rows_per_second(measured: LoadResult) -> float:
    """The throughput of a load of batches."""
    return measured.per_second * BATCH_ROWS


def verdicts(found: Findings) -> list[Verdict]:
    """Every objective, in the order of the tables."""
    return [
        *_single(found),
        _one_connection(found),
        *_protocol(found),
        *_batch(found),
        *_forest(found),
        *_process(found),
        _errors(found),
    ]


def _single(found: Findings) -> list[Verdict]:
    at = _at_64(found)
    ours, off, empty, stock = (at.get(name) for name in (OURS, AUDIT_OFF, EMPTY, STOCK))
    fastapi = max((at[name] for name in (ON_LOOP, IN_THREADS) if name in at), default=None)
    speed = _ratio(lambda one: one.per_second)
    slowness = _ratio(lambda one: one.p99_ms)
    return [
        Verdict.at_least("at least 14 x the requests/s of (b), the faster", speed(ours, fastapi), 14, ".1f"),
        Verdict.at_least("at least 10 x the requests/s of (c)", speed(ours, stock), 10, ".1f"),
        Verdict.at_least("at least 30% of the requests/s of (a)", speed(ours, empty), 0.30, ".1%"),
        Verdict.at_most("p99 at most 6 x that of (a)", slowness(ours, empty), 6, ".1f"),
        Verdict.at_least("audit off: at least 45% of the requests/s of (a)", speed(off, empty), 0.45, ".1%"),
    ]


def _one_connection(found: Findings) -> Verdict:
    """What durable records cost a client that sends one row at a time, as most clients do."""
    ours, relaxed = (found.single.get(Load(name, 1)) for name in (OURS, RELAXED))
    slowness = _ratio(lambda one: one.p50_ms)(ours, relaxed)
    return Verdict.at_most("one connection: p50 at most 2 x that of relaxed mode", slowness, 2, ".2f")


def _protocol(found: Findings) -> list[Verdict]:
    at = _at_64(found)
    speed = _ratio(lambda one: one.per_second)

    def of_native(name: str) -> Verdict:
        sentence = f"{name}: at least 70% of the requests/s of the native route"
        return Verdict.at_least(sentence, speed(at.get(name), at.get(OURS)), 0.70, ".1%")

    share = speed(at.get(GRPC), at.get(ECHO))
    return [
        of_native(V2),
        of_native(V2_FEATURES),
        Verdict.at_least("gRPC: at least 60% of the requests/s of (d)", share, 0.60, ".1%"),
    ]


def _batch(found: Findings) -> list[Verdict]:
    ours = _best_rows_per_second(found.batch, (OURS,))
    fastapi = _best_rows_per_second(found.batch, (ON_LOOP, IN_THREADS))
    factor = ours / fastapi if ours and fastapi else None
    return [
        Verdict.at_least(f"batches of {BATCH_ROWS:,}: at least 100,000 rows/s", ours, 100_000),
        Verdict.at_least(f"batches of {BATCH_ROWS:,}: at least 3 x the rows/s of (b)", factor, 3, ".1f"),
    ]


def _forest(found: Findings) -> list[Verdict]:
    sentence = "a forest, compiled: at least 10 x the requests/s of scikit-learn"
    if isinstance(found.forest, str):
        return [Verdict(None, f"{sentence} ({found.forest})")]
    return [Verdict.at_least(sentence, found.forest.factor, 10, ".1f")]


def _process(found: Findings) -> list[Verdict]:
    memory = found.memory
    requests = f"{memory.requests:,} requests" if memory else "a million requests"
    start_s = median(found.starts_s) if found.starts_s else None
    return [
        Verdict.at_most("a worker's RSS: at most 250 MB", memory and memory.last_mb, 250, ".0f"),
        Verdict.at_most(f"its growth over {requests}: under 5%", memory and memory.growth, 0.05, ".1%"),
        Verdict.at_most("from bentoml serve to ready: at most 5 s", start_s, 5, ".1f"),
    ]


def _errors(found: Findings) -> Verdict:
    measured = [*found.single.items(), *found.batch.items()]
    failed = sum(one.errors for load, one in measured if load.variant in _OF_THE_SERVICE)
    return Verdict.at_most("no request to the service failed", failed, 0)


def _at_64(found: Findings) -> dict[str, LoadResult]:
    return {load.variant: one for load, one in found.single.items() if load.connections == CONNECTIONS}


def _ratio(
    figure: Callable[[LoadResult], float],
) -> Callable[[LoadResult | None, LoadResult | None], float | None]:
    def of(one: LoadResult | None, other: LoadResult | None) -> float | None:
        return figure(one) / figure(other) if one and other else None

    return of


def _best_rows_per_second(found: Mapping[Load, LoadResult], variants: Iterable[str]) -> float | None:
    """The best throughput of the variants at any number of connections."""
    return max(
        (rows_per_second(one) for load, one in found.items() if load.variant in variants), default=None
    )

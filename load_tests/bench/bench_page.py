"""The page of ``make bench``: tables for single rows and batches, then the forest, memory and start-up."""

from collections.abc import Callable, Collection, Iterator, Mapping
from statistics import median

from load_tests.bench.findings import (
    BY_GRPC,
    BY_HTTP,
    ECHO,
    EMPTY,
    NATIVE,
    OURS,
    Findings,
    Load,
    rows_per_second,
)
from load_tests.bench.http_load import BATCH_ROWS, LoadResult
from load_tests.bench.provenance import setting, table


def as_markdown(report: Mapping[str, object], found: Findings) -> list[str]:
    """The report as tables."""

    def single(variants: Collection[str], whole: str) -> list[str]:
        chosen = {load: one for load, one in found.single.items() if load.variant in variants}
        return _table(chosen, "requests/s", lambda one: one.per_second, whole)

    return [
        "# The service compared with others",
        "",
        "`python -m load_tests.bench`: the Iris model, one worker each; medians of",
        f"{report['rounds']} interleaved rounds of {report['seconds']} s.",
        *setting(report),
        "",
        "One row a request:",
        "",
        *single(NATIVE, EMPTY),
        "",
        "The same row by the Open Inference Protocol, audited and counted alike; over HTTP (v2), compared",
        "with the native route:",
        "",
        *single(BY_HTTP, OURS),
        "",
        f"and over gRPC ({report['load_grpc']}), compared with a bare server:",
        "",
        *single(BY_GRPC, ECHO),
        "",
        *([f"(e) is MLServer {report['mlserver']}.", ""] if report["mlserver"] else []),
        *(f"Left out: {each}.\n" for each in found.left_out),
        f"{BATCH_ROWS:,} rows a request:",
        "",
        *_table(found.batch, "rows/s", rows_per_second, OURS),
        "",
        *_rest(found),
    ]


def _table(
    found: Mapping[Load, LoadResult], unit: str, speed: Callable[[LoadResult], float], whole: str
) -> list[str]:
    def line(load: Load, one: LoadResult) -> tuple[object, ...]:
        limit = found.get(Load(whole, load.connections))
        share = f"{speed(one) / speed(limit):.1%}" if limit else ""
        times = (f"{one.p50_ms:.2f}", f"{one.p99_ms:.1f}")
        return load.connections, load.variant, f"{speed(one):,.0f}", share, *times, one.errors

    head = ("connections", "variant", unit, f"of {whole}", "p50 ms", "p99 ms", "failed")
    return table(head, (line(load, one) for load, one in found.items()))


def _rest(found: Findings) -> Iterator[str]:
    forest = found.forest
    if isinstance(forest, str):
        yield f"RandomForest(100), compiled and by scikit-learn: not measured, {forest}."
    else:
        yield (
            f"RandomForest(100): {forest.compiled.per_second:,.0f} requests/s compiled, "
            f"{forest.sklearn.per_second:,.0f} by scikit-learn."
        )
    yield ""
    yield f"Memory of a worker: {found.memory or 'not measured in this run'}."
    if found.starts_s:
        yield ""
        starts = ", ".join(f"{start_s:.1f}" for start_s in found.starts_s)
        yield f"From `bentoml serve` to ready: {median(found.starts_s):.1f} s (of {starts})."

"""The services that ``make bench`` compares, and the requests of each variant."""

import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple

import grpc

from load_tests.baselines.mlserver import OUTPUT, serving_mlserver
from load_tests.bench import infer_requests
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
)
from load_tests.bench.grpc_load import Call, call_once, load_grpc
from load_tests.bench.http_load import ONE_ROW, ROWS, LoadResult, Work, load
from load_tests.bench.serving import NotReady, Service, serving, serving_asgi, serving_grpc

Services = Mapping[str, Service]


class Variant(NamedTuple):
    """The service and the requests of a variant."""

    service: str
    single: Work | Call
    batch: Work | None = None


def _threads(work: Work) -> Work:
    return Work(f"/threads{work.path}", work.body)


_ROW_OF_ARRAY = b'{"rows":[[5.1,3.5,1.4,0.2]]}'
VARIANTS = {
    OURS: Variant("ours", ONE_ROW, ROWS),
    RELAXED: Variant("relaxed", ONE_ROW),
    AUDIT_OFF: Variant("audit off", ONE_ROW),
    EMPTY: Variant("empty", ONE_ROW),
    ON_LOOP: Variant("fastapi", ONE_ROW, ROWS),
    IN_THREADS: Variant("fastapi", _threads(ONE_ROW), _threads(ROWS)),
    STOCK: Variant("stock", Work("/predict", _ROW_OF_ARRAY)),
    V2: Variant("ours", infer_requests.one_tensor()),
    V2_FEATURES: Variant("ours", infer_requests.tensor_per_feature()),
    V2_BINARY: Variant("ours", infer_requests.binary_tensor()),
    MLSERVER: Variant("mlserver", infer_requests.one_tensor(OUTPUT)),
    GRPC: Variant("ours", infer_requests.one_tensor_call()),
    ECHO: Variant("echo", infer_requests.one_tensor_call()),
    MLSERVER_GRPC: Variant("mlserver", infer_requests.one_tensor_call(OUTPUT)),
}


@contextmanager
def running_services() -> Iterator[tuple[Services, list[str]]]:
    """Start every service and check its answers; yields the services, and the reasons for those left out.

    Only MLServer may be left out: this project's lock does not contain it, so it may not be installable.
    """
    audited = {"TABENTO_AUDIT_MODE": "strict", "TABENTO_AUDIT_SYNC": "full"}
    unaudited = "load_tests.bench.variants:TabularClassifier"
    starts: dict[str, AbstractContextManager[Service]] = {
        "ours": serving(**audited),
        "relaxed": serving(**audited | {"TABENTO_AUDIT_MODE": "relaxed"}),
        "audit off": serving(unaudited, TABENTO_BENCH_VARIANT="off"),
        "empty": serving_asgi("load_tests.baselines.empty:app"),
        "fastapi": serving_asgi("load_tests.baselines.fastapi_sqlite:app"),
        "stock": serving("load_tests.baselines.bentoml_stock:IrisClassifier", model=None),
        "echo": serving_grpc("load_tests.baselines.grpc_echo"),
    }
    left_out: list[str] = []
    with ExitStack() as stack:
        services = {name: stack.enter_context(start) for name, start in starts.items()}
        try:
            services["mlserver"] = stack.enter_context(serving_mlserver())
        except NotReady as error:
            left_out.append(f"{MLSERVER} and {MLSERVER_GRPC}: {str(error).strip().splitlines()[-1]}")
            sys.stderr.write(f"LEFT OUT: {left_out[-1]}\n")
        for name, variant in VARIANTS.items():
            if variant.service in services:
                _check_answers(name, services[variant.service], variant.single)
        yield services, left_out


def run_load(service: Service, work: Work | Call, connections: int, seconds: float) -> LoadResult:
    """Load the service with the request, over HTTP or gRPC."""
    if isinstance(work, Work):
        return load(service.url, connections, seconds, work)
    return load_grpc(_grpc(service), connections, seconds, work)


def _check_answers(variant: str, service: Service, work: Work | Call) -> None:
    """Check that the service answers the request of the load."""
    try:
        if isinstance(work, Work):
            request = urllib.request.Request(service.url + work.path, work.body, dict(work.headers))
            urllib.request.urlopen(request, timeout=30).close()
        else:
            call_once(_grpc(service), work)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{variant}: {error.code} {error.read().decode()}") from error
    except grpc.RpcError as error:
        raise SystemExit(f"{variant}: {error}") from error


def _grpc(service: Service) -> str:
    if service.grpc is None:
        raise SystemExit(f"{service.url} has no gRPC port")
    return service.grpc

"""Every route, over HTTP and gRPC, answers the keys of its duty alone; who was refused is in the ledger."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.audit.query.acts import LoggedAct, logged_acts
from service.routes import ANY_KEY, GRPC_ROUTES, INCLUDED, ROUTES, SCOPES, AnyKey, Route, Scope
from tests.support.api_keys import new_key
from tests.support.servers import Serve, Server

MODEL = "iris_classifier"


class Keyed:
    """A service with a key for each scope."""

    def __init__(self, server: Server, keys: dict[Scope, str]) -> None:
        self.server, self.keys = server, keys
        self.client = httpx.Client(base_url=server.url, timeout=30)
        self.channel = grpc.insecure_channel(server.grpc)
        self.refused: Counter[tuple[str, int, str, str | None]] = Counter()
        """What was refused, as an act counts it."""

    def close(self) -> None:
        self.client.close()
        self.channel.close()

    def ask(self, route: Route, key: str | None) -> int:
        """The status that a request gets."""
        path = route.path.format(model=MODEL, version="1", asset="none", request_id="none")
        headers = {} if key is None else {"x-api-key": key}
        return self.client.request(route.method, path, headers=headers, content=b"{}").status_code

    def call(self, route: Route, key: str | None) -> int:
        """The status that a call over gRPC gets, as of HTTP."""
        method: Any = self.channel.unary_unary(route.path)
        try:
            method(b"", timeout=30, metadata=() if key is None else (("x-api-key", key),))
        except grpc.RpcError as error:
            codes = {grpc.StatusCode.UNAUTHENTICATED: 401, grpc.StatusCode.PERMISSION_DENIED: 403}
            return codes.get(error.code(), 400)
        return 200


@pytest.fixture(scope="module")
def keyed(serve: Serve, iris: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    file = tmp_path_factory.mktemp("scopes") / "keys.json"
    keys = {scope: new_key(file, f"of-{scope}", scope) for scope in SCOPES}
    server = serve(model=iris, with_grpc=True, TABENTO_API_KEYS_FILE=str(file))
    with closing(Keyed(server, keys)) as found:
        yield found
        assert server.stop() == 0
        check_refusals(found)


def expected_refusal(needed: Scope | AnyKey | None, held: Scope | None) -> int | None:
    if needed is None:
        return None
    if held is None:
        return 401
    allows = needed in (ANY_KEY, held) or needed in INCLUDED.get(held, ())
    return None if allows else 403


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from((*ROUTES, *GRPC_ROUTES)), st.sampled_from((None, *SCOPES)))
def test_a_route_answers_the_keys_of_its_scope_and_refuses_all_others(
    keyed: Keyed, route: Route, held: Scope | None
) -> None:
    is_grpc = route in GRPC_ROUTES
    status = (keyed.call if is_grpc else keyed.ask)(route, keyed.keys[held] if held else None)
    refusal = expected_refusal(route.scope, held)
    assert (status if status in (401, 403) else None) == refusal
    if refusal is not None:
        name = f"of-{held}" if refusal == 403 else None
        keyed.refused[route.metric_label, refusal, "grpc" if is_grpc else "http", name] += 1


def test_the_key_of_prometheus_reads_no_rows_and_the_start_names_the_keys_of_the_old_scope(
    keyed: Keyed,
) -> None:
    prometheus = {"x-api-key": keyed.keys["metrics"]}
    assert keyed.client.get("/metrics", headers=prometheus).status_code == 200
    assert keyed.client.get("/predictions/history", headers=prometheus).status_code == 403
    keyed.refused["/predictions/history", 403, "http", "of-metrics"] += 1
    keyed.server.await_line("Its keys are of-read. Make others with")
    found = [act for act in acts(keyed.server.audit_db, "key") if act.detail["done"] == "found"]
    assert [key["name"] for act in found for key in named(act)] == [f"of-{scope}" for scope in SCOPES]


def named(act: LoggedAct) -> list[dict[str, Any]]:
    keys: Any = act.detail["keys"]
    return list(keys)


def acts(db: Path, kind: str) -> list[LoggedAct]:
    return [*logged_acts(db, kind=kind)]


def check_refusals(keyed: Keyed) -> None:
    """The acts sum up every refusal, the last of them when the worker stops."""
    counted: Counter[tuple[str, int, str, str | None]] = Counter()
    found = acts(keyed.server.audit_db, "refused")
    for act in found:
        counts: Any = act.detail["counts"]
        assert act.detail["others"] == 0
        assert act.detail["total"] == sum(each["count"] for each in counts)
        for each in counts:
            counted[each["route"], each["status"], each["transport"], each["key_name"]] += each["count"]
    assert found
    assert counted == keyed.refused

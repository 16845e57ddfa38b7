"""What the service leans on within BentoML is still there; each failure says what an upgrade broke."""

import inspect
import os
import socket

import click
import pytest
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml.exceptions import BentoMLException
from circus.sockets import CircusSocket

from service.worker import bentoml_internals


def names(command: click.Command) -> set[str]:
    return {str(parameter.name) for parameter in command.params}


@pytest.mark.filterwarnings("ignore:The `__get_pydantic_core_schema__`:DeprecationWarning")  # BentoML's own
def test_an_upgrade_of_bentoml_left_what_the_service_leans_on(monkeypatch: pytest.MonkeyPatch) -> None:
    import bentoml_cli.serve
    from _bentoml_impl.server import serving
    from _bentoml_impl.worker.service import main as worker_command

    before = BentoMLContainer.bento_arguments.get()
    bentoml_internals.set_model("penguins:1")
    argument = BentoMLContainer.bento_arguments.get()
    BentoMLContainer.bento_arguments.set(before)
    assert argument == {"model": "penguins:1"}, (
        "set_arguments no longer sets the Bento arguments: a worker would serve the newest model"
    )

    serve_http = inspect.unwrap(serving.serve_http)
    assert (serve_http.__module__, serve_http.__name__) == bentoml_internals.SERVING, (
        "the function that serves has another name: gRPC would listen on 127.0.0.1, and nobody be warned"
    )
    assert {"host", "port", "num_workers"} <= {*serve_http.__code__.co_varnames}, (
        "the function that serves has other variables: the address and number of workers cannot be found out"
    )
    calls = inspect.getsource(serve_http)
    assert calls.index("get_worker_env(svc)") < calls.index("server_on_deployment(svc)"), (
        "the number of workers is not known when the deployment hook is called"
    )

    assert {"fd", "ssl_certfile"} <= names(worker_command), (
        "a worker is given its socket in another way: the start line would not say where HTTP listens"
    )
    serve = bentoml_cli.serve.serve_command.commands["serve"]
    assert "api_workers" in names(serve), "the option --api-workers has gone, or has another name"

    monkeypatch.setenv("BENTOML_CONTAINERIZED", "true")
    bentoml_internals.replace_dead_workers()
    assert "BENTOML_CONTAINERIZED" not in os.environ, "BENTOML_CONTAINERIZED stays in the environment"


def test_a_port_that_is_taken_after_all_is_told_by_bentomls_command() -> None:
    bind, listen = CircusSocket.bind, CircusSocket.listen
    try:
        bentoml_internals.bind_with_a_sentence()
        with (
            socket.create_server(("127.0.0.1", 0)) as taken,
            CircusSocket(host="127.0.0.1", port=taken.getsockname()[1]) as late,
            pytest.raises(BentoMLException, match=r"HTTP cannot listen on 127\.0\.0\.1:\d+: Address already"),
        ):
            late.bind_and_listen()
    finally:
        CircusSocket.bind, CircusSocket.listen = bind, listen

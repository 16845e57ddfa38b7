"""What the service leans on within BentoML is still there; each failure says what an upgrade broke."""

import importlib
import inspect
import logging
import os
import socket
from typing import Any

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
        bentoml_internals.report_bind_errors()
        with (
            socket.create_server(("127.0.0.1", 0)) as taken,
            CircusSocket(host="127.0.0.1", port=taken.getsockname()[1]) as late,
            pytest.raises(BentoMLException, match=r"HTTP cannot listen on 127\.0\.0\.1:\d+: Address already"),
        ):
            late.bind_and_listen()
    finally:
        CircusSocket.bind, CircusSocket.listen = bind, listen


def test_the_notices_that_are_silenced_are_still_bentomls() -> None:
    import _bentoml_impl.server.app
    import _bentoml_sdk.images
    import bentoml._internal.bento.build_config
    import bentoml_cli.bentos

    sources = {
        "bentoml.serve": _bentoml_impl.server.app,
        "bentoml.build": _bentoml_sdk.images,
        "bentoml._internal.bento.build_config": bentoml._internal.bento.build_config,
    }
    for name, templates in bentoml_internals.NOTICES.items():
        module = sources[name]
        assert module.logger.name == name, f"{module.__name__} logs elsewhere: its notices are shown again"
        for template in templates:
            assert template in inspect.getsource(module), f"a notice has new words and is shown: {template}"
    assert bentoml_cli.bentos.__name__ == bentoml_internals.BUILD_COMMAND
    assert bentoml_internals.ADVERTISING in inspect.getsource(bentoml_cli.bentos), (
        "bentoml build words its advertising otherwise: it is shown again"
    )


def test_the_result_of_a_build_is_printed_without_banner_and_advertising(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command: Any = importlib.import_module(bentoml_internals.BUILD_COMMAND)

    monkeypatch.setattr(command, "rich", command.rich)
    bentoml_internals.silence_notices()
    command.rich.print(command.BENTOML_FIGLET)
    command.rich.print("Successfully built a bento.")
    command.rich.print(f"\n[blue]{bentoml_internals.ADVERTISING}* Deploy to BentoCloud[/]")
    command.rich.print_json('{"a": 1}')
    assert capsys.readouterr().out.splitlines() == ["Successfully built a bento.", "{", '  "a": 1', "}"]


def test_a_notice_is_dropped_and_everything_else_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    bentoml_internals.silence_notices()
    notice = bentoml_internals.NOTICES["bentoml.serve"][0]
    logger = logging.getLogger("bentoml.serve")
    logger.addHandler(caplog.handler)
    try:
        logger.warning(notice, "iris")
        logger.error(notice, "iris")
        logger.warning("The disk is full")
    finally:
        logger.removeHandler(caplog.handler)
    shown = {record.getMessage() for record in caplog.records if record.levelname != "ERROR"}
    assert shown == {"The disk is full"}
    assert "Service iris initialized" in caplog.text

"""Every use of BentoML's internals, and of circus, which runs its processes.

BentoML has no public interface for these:

- ``set_model``: a Bento argument can be read but not set, and the resolved version must be kept.
- ``serving``: a deployment hook is called without arguments. The address and the number of workers come from
  options, variables, a configuration file or a call in Python. The result is in the local variables of the
  function that calls the hook.
- ``listening``: the actual address of a worker's socket. The worker gets the socket as the option ``--fd`` of
  its command.
- ``api_workers``: the option ``--api-workers`` is parsed, and then ignored for a service that is a class.
- ``replace_dead_workers``: if ``BENTOML_CONTAINERIZED`` is set, to any value, dead workers are not replaced.
  The service would lose workers silently, with /readyz at 200.
- ``report_bind_errors``: in circus, an occupied port ends the command with a traceback.
- ``wrap_application``: BentoML puts a service's middleware inside its own layers, which take 0.3 ms a
  request and create a timer that lasts for BentoML's whole timeout. A worker gets its application from
  ``Service.to_asgi``, which has no hook for a wrapper, so the service gets a subclass that has one.
- ``start_errors_as_messages``: BentoML's commands show a traceback of any error but their own.
- ``silence_notices``: BentoML logs every hook that it calls, and warns of a correct build; ``bentoml build``
  prints a banner and how to deploy to BentoCloud. No setting silences only these, and ``--quiet`` drops
  other warnings as well. They are recognized by their texts; errors are always shown.

``tests/unit/worker/test_bentoml_internals.py`` reports which of them an upgrade broke.
"""

import inspect
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias, cast

import click
from _bentoml_sdk.service.factory import Service
from bentoml._internal.utils.args import set_arguments
from bentoml.exceptions import BentoMLException
from starlette.types import ASGIApp

from service.errors import HttpUnusable, StartError

SERVING = ("_bentoml_impl.server.serving", "serve_http")
"""Module and name of the function that calls the deployment hook."""

NOTICES = {
    "bentoml.serve": (
        "Service %s initialized",
        "Running startup hook: %s",
        "Completed async startup hook: %s",
        "Running cleanup hook: %s",
        "Completed async cleanup hook: %s",
        "Service instance cleanup finalized",
    ),
    # The template is intended: deploy/image/Dockerfile.j2 makes the image.
    "bentoml.build": ("docker.dockerfile_template is not supported by bento v2, %s",),
    # requirements/serving.txt contains BentoML, with its hash.
    "bentoml._internal.bento.build_config": ("Adding current BentoML version to requirements.txt: %s",),
}
"""Templates of BentoML's log messages that say nothing to a user, by their loggers."""
BUILD_COMMAND = "bentoml_cli.bentos"
"""The module that prints the result of ``bentoml build``."""
ADVERTISING = "Next steps: "
"""A part of the text that follows the result."""

_IpAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]


_wrappers: dict[int, Callable[[ASGIApp], ASGIApp]] = {}
"""The wrappers by the ids of their services."""


class Serving(NamedTuple):
    """The address and the number of workers that BentoML is about to serve with."""

    host: str
    port: int
    workers: int


class Listening(NamedTuple):
    """The HTTP address of a worker."""

    host: str
    port: int
    is_tls: bool


def set_model(tag: str) -> None:
    """Set the Bento argument ``model``, which a built bento keeps and every worker gets."""
    set_arguments({"model": tag})


def serving() -> Serving | None:
    """What BentoML is about to serve with; None if the deployment hook was not called to serve."""
    frame = inspect.currentframe()
    while frame is not None:
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) == SERVING:
            found = frame.f_locals
            return Serving(str(found["host"]), int(found["port"]), int(found["num_workers"]))
        frame = frame.f_back
    return None


def listening() -> Listening | None:
    """The HTTP address of this worker; None in other processes."""
    options = _options()
    descriptor = options.get("fd")
    if not isinstance(descriptor, int):
        return None
    with socket.socket(fileno=os.dup(descriptor)) as listener:
        if listener.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        host, port = listener.getsockname()[:2]
    return Listening(host, port, is_tls=bool(options.get("ssl_certfile")))


def api_workers() -> int | None:
    """The value of ``--api-workers`` or ``BENTOML_API_WORKERS``; None if neither is set."""
    number = _options().get("api_workers")
    return number if isinstance(number, int) else None


def _options() -> Mapping[str, object]:
    command = click.get_current_context(silent=True)
    return command.params if command else {}


def replace_dead_workers() -> None:
    """Make circus replace dead workers in a container, too."""
    os.environ.pop("BENTOML_CONTAINERIZED", None)


def report_bind_errors() -> None:
    """Make BentoML's command end with a message if HTTP cannot listen.

    The port was free before, but another service that starts at the same time may have taken it.
    """
    # Imported here because only the supervising process uses it.
    from circus.sockets import CircusSocket

    # circus logs and raises an OSError; BentoML's command shows a BentoMLException as a message.
    CircusSocket.bind = _with_message(socket.socket.bind)
    CircusSocket.listen = _with_message(socket.socket.listen)


def _with_message(method: Callable[..., None]) -> Callable[..., None]:
    def call(listener: socket.socket, *arguments: _IpAddress | int) -> None:
        try:
            method(listener, *arguments)
        except OSError as error:
            host, port = getattr(listener, "host", None), getattr(listener, "port", None)
            with start_errors_as_messages():
                raise HttpUnusable(str(host), port, error.strerror or str(error)) from error

    return call


class _Wrapped(Service[Any]):  # type: ignore[misc]
    """A service with a wrapped application."""

    __slots__ = ()

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The application, for uvicorn."""
        wrap = _wrappers.get(id(self))
        application = cast(ASGIApp, super().to_asgi(is_main))
        return application if wrap is None else wrap(application)


def wrap_application(service: object, wrap: Callable[[ASGIApp], ASGIApp]) -> None:
    """Make the workers of a BentoML service serve the application that ``wrap`` returns."""
    service.__class__ = _Wrapped
    _wrappers[id(service)] = wrap


def unwrap_application(service: object) -> None:
    """Make the workers serve BentoML's application again."""
    _wrappers.pop(id(service), None)


def silence_notices() -> None:
    """Drop BentoML's messages that are of no use to a user of this service."""
    for name, templates in NOTICES.items():
        logging.getLogger(name).addFilter(_is_not_among(templates))
    build_command = sys.modules.get(BUILD_COMMAND)
    if build_command is not None:
        vars(build_command)["rich"] = _WithoutAdvertising(build_command)


def _is_not_among(templates: tuple[str, ...]) -> Callable[[logging.LogRecord], bool]:
    return lambda record: record.levelno >= logging.ERROR or record.msg not in templates


class _WithoutAdvertising:
    """The module ``rich`` for ``bentoml build``, without the banner and the advertising."""

    def __init__(self, build_command: Any) -> None:
        self._rich = build_command.rich
        self._banner = build_command.BENTOML_FIGLET

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rich, name)

    def print(self, text: object = "", *more: object, **options: Any) -> None:
        """Print the text unless it is the banner or advertising."""
        if text != self._banner and ADVERTISING not in str(text):
            self._rich.print(text, *more, **options)


@contextmanager
def start_errors_as_messages() -> Iterator[None]:
    """Make BentoML's commands show a StartError as a message without traceback."""
    try:
        yield
    except StartError as error:
        raise BentoMLException(str(error)) from error

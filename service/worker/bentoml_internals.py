"""Every reach into BentoML's internals, and into circus, through which it runs its processes.

BentoML has no public way to any of these:

- ``set_model``: a Bento argument can be read, not set, and the version that was found must be kept.
- ``serving``: a deployment hook is called without arguments. Address and number of workers come from options,
  variables, a configuration file or a call in Python; what BentoML made of them are the local variables of
  the function that calls the hook.
- ``listening``: the address that a worker's socket really has. The worker is given the socket as the option
  ``--fd`` of its command.
- ``api_workers``: the option ``--api-workers`` is parsed, and then ignored for a service that is a class.
- ``replace_dead_workers``: with ``BENTOML_CONTAINERIZED`` in the environment, whatever its value, a worker
  that died is not replaced: the service would shrink in silence, with /readyz at 200.
- ``bind_with_a_sentence``: circus lets the error of a port that is taken end the command with a traceback.
- ``wrap_application``: BentoML puts a service's own middleware inside its layers, which take 0.3 ms a
  request, and a timer each that lives on for the whole of BentoML's timeout. A worker gets the application
  that it hands to uvicorn from ``Service.to_asgi``; ``Service`` has no place for a wrapper round it, so the
  service gets a class of its own that has one.
- ``start_errors_as_messages``: BentoML's commands show a traceback of any error but their own.

``tests/unit/worker/test_bentoml_internals.py`` says which of them an upgrade broke.
"""

import inspect
import os
import socket
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

_IpAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]


_wrappers: dict[int, Callable[[ASGIApp], ASGIApp]] = {}
"""By the ids of the services whose applications they wrap."""


class Serving(NamedTuple):
    """What BentoML is about to serve on, and with."""

    host: str
    port: int
    workers: int


class Listening(NamedTuple):
    """What a worker listens on for HTTP."""

    host: str
    port: int
    is_tls: bool


def set_model(tag: str) -> None:
    """Set the Bento argument ``model``, which a built bento keeps and every worker is given."""
    set_arguments({"model": tag})


def serving() -> Serving | None:
    """What BentoML is about to serve on; None where the deployment hook was not called to serve."""
    frame = inspect.currentframe()
    while frame is not None:
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) == SERVING:
            found = frame.f_locals
            return Serving(str(found["host"]), int(found["port"]), int(found["num_workers"]))
        frame = frame.f_back
    return None


def listening() -> Listening | None:
    """What this worker listens on for HTTP; None in a process that is not a worker."""
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
    """What ``--api-workers`` or ``BENTOML_API_WORKERS`` says; None where neither is given."""
    number = _options().get("api_workers")
    return number if isinstance(number, int) else None


def _options() -> Mapping[str, object]:
    command = click.get_current_context(silent=True)
    return command.params if command else {}


def replace_dead_workers() -> None:
    """Have workers that died replaced in a container, too."""
    os.environ.pop("BENTOML_CONTAINERIZED", None)


def bind_with_a_sentence() -> None:
    """Have BentoML's command end with a sentence when HTTP cannot listen.

    The port was found to be free before, but another service that starts at the same time can be first.
    """
    # Imported here because only the supervising process has use for it.
    from circus.sockets import CircusSocket

    # circus logs and raises an OSError as it is; this one passes through to BentoML's command.
    CircusSocket.bind = _saying(socket.socket.bind)
    CircusSocket.listen = _saying(socket.socket.listen)


def _saying(method: Callable[..., None]) -> Callable[..., None]:
    def call(listener: socket.socket, *arguments: _IpAddress | int) -> None:
        try:
            method(listener, *arguments)
        except OSError as error:
            host, port = getattr(listener, "host", None), getattr(listener, "port", None)
            with start_errors_as_messages():
                raise HttpUnusable(str(host), port, error.strerror or str(error)) from error

    return call


class _Wrapped(Service[Any]):  # type: ignore[misc]
    """A service whose application is wrapped."""

    __slots__ = ()

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The application, for uvicorn."""
        wrap = _wrappers.get(id(self))
        application = cast(ASGIApp, super().to_asgi(is_main))
        return application if wrap is None else wrap(application)


def wrap_application(service: object, wrap: Callable[[ASGIApp], ASGIApp]) -> None:
    """Have the workers of a BentoML service serve what ``wrap`` makes of its application."""
    service.__class__ = _Wrapped
    _wrappers[id(service)] = wrap


def unwrap_application(service: object) -> None:
    """Have them serve BentoML's application as it is."""
    _wrappers.pop(id(service), None)


@contextmanager
def start_errors_as_messages() -> Iterator[None]:
    """Let BentoML's commands say in a sentence why they cannot start."""
    try:
        yield
    except StartError as error:
        raise BentoMLException(str(error)) from error

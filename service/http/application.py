"""BentoML's HTTP application, wrapped by the gateway.

BentoML puts a service's own middleware inside its layers, which take 0.3 ms a request, and a timer each that
lives on for the whole of BentoML's timeout. A worker gets the application that it hands to uvicorn from
``Service.to_asgi``, and ``Service`` has no place for a wrapper round it; so the service gets a class of its
own that has one.
"""

from collections.abc import Callable
from typing import Any, cast

from _bentoml_sdk.service.factory import Service  # type: ignore[import-untyped]
from starlette.types import ASGIApp

_wrappers: dict[int, Callable[[ASGIApp], ASGIApp]] = {}
"""By the services' ids: a service has no place for it."""


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

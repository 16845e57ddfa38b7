"""The routes of HTTP and gRPC, from ``service/routes.py``."""

from docs.extension.markdown_table import markdown_table
from service.routes import ANY_KEY, GRPC_ROUTES, ROUTES, Route


def http_routes() -> str:
    """Write every route of HTTP."""
    rows = [(f"`{route.method} {route.path}`", _scope(route), route.summary) for route in ROUTES]
    return markdown_table(("route", "scope", "purpose"), rows)


def grpc_routes() -> str:
    """Write every method of gRPC but those of health checking and reflection."""
    rows = [(f"`{route.path}`", _scope(route), route.summary) for route in GRPC_ROUTES]
    return markdown_table(("method", "scope", "purpose"), rows)


def _scope(route: Route) -> str:
    if route.scope == ANY_KEY:
        return "any key"
    return f"`{route.scope}`" if route.scope else "open"

"""The origins whose pages may use the service from a browser, as ``TABENTO_CORS_ORIGINS`` lists them.

An origin is compared as text with the header ``Origin`` of a request, so it is brought into the one form in
which a browser sends it: lower case, without the default port of its scheme.
"""

import re
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

ANY_ORIGIN = "*"

_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?P<host>[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])"
    r"(:(?P<port>[1-9][0-9]{0,4}))?"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65_535


def parse_origins(value: object) -> object:
    """The origins of a comma-separated list; raises PydanticCustomError for what is none."""
    if not isinstance(value, str):
        return value
    origins = [_origin(text.strip()) for text in value.split(",") if text.strip()]
    if ANY_ORIGIN in origins and len(origins) > 1:
        raise _not_an_origin("* is any origin: it stands alone, or each origin is listed.")
    return tuple(dict.fromkeys(origins)) or None


def _origin(text: str) -> str:
    if text == ANY_ORIGIN:
        return text
    parts = _ORIGIN.fullmatch(text.lower())
    if parts is None or int(parts["port"] or 0) > _LAST_PORT:
        raise _not_an_origin(
            f"{text!r} is not an origin: write scheme://host or scheme://host:port, without a path or a "
            "slash at the end, such as https://app.example.com; separate several with commas."
        )
    scheme, host, port = parts["scheme"], parts["host"], parts["port"]
    is_default = port is None or int(port) == _DEFAULT_PORTS.get(scheme)
    return f"{scheme}://{host}" if is_default else f"{scheme}://{host}:{port}"


def _not_an_origin(message: str) -> PydanticCustomError:
    return PydanticCustomError("origin", "{message}", {"message": message})


Origins = Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(parse_origins)]
"""In the form in which browsers send them, or ``*`` alone; None for an empty list."""

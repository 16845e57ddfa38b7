"""Every setting that is read while the service runs: from the environment, once, at start.

Which model is served is no setting but a Bento argument (``--arg model=NAME``), so that a built bento
keeps it.
"""

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.errors import SettingInvalid

PREFIX = "TABENTO_"

Runtime = Literal["auto", "sklearn", "compiled"]
"""What computes the probabilities; auto: the compiled form if it was accepted, else scikit-learn."""

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
"""In the form in which browsers send them, to be compared as text: in lower case, without the default port of
the scheme. ``*`` stands alone; None for an empty list."""


class Settings(BaseSettings):
    """The settings; each is the environment variable ``TABENTO_`` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, use_attribute_docstrings=True)

    audit_db: Path = Path("tabento-audit.db")
    """The audit log, a SQLite file that is made where it does not exist. All workers write the same."""

    audit_mode: Literal["strict", "relaxed"] = "strict"
    """strict: no answer leaves before its record is committed. relaxed: answers do not wait; what is
    dropped when the queue is full is counted, and stated in the log."""

    audit_sync: Literal["full", "normal"] = "full"
    """full: what is committed survives the loss of power. normal: it survives a crash of the process."""

    audit_queue_records: int = Field(default=100_000, ge=1)
    """Records of a worker that wait in relaxed mode before further ones are dropped."""

    audit_keep_days: float | None = Field(default=None, gt=0, le=36_500)
    """Days after which requests are pruned from the log; unset, they are kept."""

    audit_max_bytes: int | None = Field(default=None, ge=1024**2)
    """Bytes of the log in use, above which its oldest requests are pruned; unset, it may grow."""

    runtime: Runtime = "auto"
    """auto: the model's compiled form answers where it was accepted at publishing, else scikit-learn.
    sklearn: always scikit-learn. compiled: only the compiled form; without one there is no start."""

    workers: int = Field(default=1, ge=1, le=256)
    """Worker processes; each loads the model."""

    max_batch_rows: int = Field(default=10_000, ge=1, le=1_000_000)
    """Rows that one request to /predict/batch may have."""

    max_call_rows: int = Field(default=1_024, ge=1, le=1_000_000)
    """Rows that one call of the model takes at most; the rows of a larger batch take several calls, and
    other requests get their turn between them."""

    body_limit_bytes: int = Field(default=32 * 1024**2, ge=1_024)
    """Length of a request's body, or of a gRPC message, that is still read, if the contract allows one so
    long."""

    body_timeout_seconds: float = Field(default=30.0, gt=0, le=3_600)
    """Time from the end of a request's headers to the end of its body, after which 408 is answered."""

    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Addresses and networks (CIDR), separated by commas, of the proxies whose X-Forwarded-For is believed:
    the last address in it that is not one of theirs is recorded as the client's."""

    max_queued_rows: int = Field(default=20_000, ge=1)
    """Requests of a single row that a worker has in hand, in line or in progress, from which on further ones
    are refused with 429. Larger requests have a limit of their own: twice the body limit."""

    deadline_ms: int = Field(default=10_000, ge=1, le=3_600_000)
    """Time that a prediction may take before it is given up with 504. A client can lower it for a request
    with the header X-Request-Timeout-Ms."""

    grpc_port: int = Field(default=3001, ge=0, le=65_535)
    """Port of gRPC, which all workers share; 0 does without it."""

    grpc_host: str | None = None
    """Address that gRPC listens on; unset, that of HTTP."""

    grpc_keepalive_seconds: float = Field(default=60, ge=1, le=86_400)
    """Time after which a gRPC connection without traffic is asked whether it lives, and closed if it does
    not."""

    grpc_tls_cert: Path | None = None
    """Certificate chain (PEM) of gRPC; with the key it is served over TLS."""

    grpc_tls_key: Path | None = None
    """Key (PEM) of the certificate."""

    grpc_tls_client_ca: Path | None = None
    """Certificates (PEM) that a gRPC client's own must be signed by; unset, clients need none."""

    api_keys_file: Path | None = None
    """Hashed API keys, as `python -m service.access` makes them; unset, nobody is asked for one."""

    cors_origins: Origins = None
    """Origins whose pages may use the service from a browser, such as https://app.example.com, separated by
    commas, or * for any; unset, none may."""

    drain_seconds: float = Field(default=5.0, ge=0, le=20)
    """Time between SIGTERM and the end, during which /readyz says 503 and requests are still served, so that
    whoever sends them can turn to another service first."""

    fast_connection: Literal["on", "off"] = "on"
    """on: predictions whose body comes with their headers take a shorter way through uvicorn. off: every
    request takes uvicorn's own way."""

    access_log: bool = False
    """Whether a line is logged for each request: client, method, path, status, time, id."""

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [item.strip() for item in value.split(",") if item.strip()]
        return value


def load_settings() -> Settings:
    """Read the environment; raises SettingInvalid with the variable's name and what is wrong with it."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        variable = PREFIX + str(first["loc"][0]).upper()
        raise SettingInvalid(variable, first["input"], first["msg"]) from error

"""Every setting of the running service, read from the environment once, at start.

The served model is a Bento argument (``--arg model=NAME``), not a setting, so that a built bento keeps it.
"""

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.errors import SettingInvalid

PREFIX = "TABENTO_"

RELEASE_SUFFIX = ".release.json"
"""What the name of a release file has after that of its models, unless a setting names the file."""

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
    """The origins in a comma-separated list; raises PydanticCustomError for an invalid one."""
    if not isinstance(value, str):
        return value
    origins = [_origin(text.strip()) for text in value.split(",") if text.strip()]
    if ANY_ORIGIN in origins and len(origins) > 1:
        raise _not_an_origin("* allows any origin and cannot be combined with others.")
    return tuple(dict.fromkeys(origins)) or None


def _origin(text: str) -> str:
    if text == ANY_ORIGIN:
        return text
    parts = _ORIGIN.fullmatch(text.lower())
    if parts is None or int(parts["port"] or 0) > _LAST_PORT:
        raise _not_an_origin(
            f"{text!r} is not an origin: write scheme://host or scheme://host:port, without a path or a "
            "trailing slash, such as https://app.example.com; separate several with commas."
        )
    scheme, host, port = parts["scheme"], parts["host"], parts["port"]
    is_default = port is None or int(port) == _DEFAULT_PORTS.get(scheme)
    return f"{scheme}://{host}" if is_default else f"{scheme}://{host}:{port}"


def _not_an_origin(message: str) -> PydanticCustomError:
    return PydanticCustomError("origin", "{message}", {"message": message})


Origins = Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(parse_origins)]
"""Origins as browsers send them, so that they can be compared as text: in lower case, without the scheme's
default port. ``*`` stands alone; an empty list is None."""


class Settings(BaseSettings):
    """The settings. Each is read from the environment variable ``TABENTO_`` + its name in capitals."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, use_attribute_docstrings=True)

    audit_db: Path = Path("tabento-audit.db")
    """Path of the audit log, a SQLite file, created if it does not exist. All workers write to it."""

    audit_mode: Literal["strict", "relaxed"] = "strict"
    """strict: an answer is sent after its record is committed. relaxed: answers do not wait; when the queue
    is full, records are dropped, counted, and noted in the log."""

    audit_sync: Literal["full", "normal"] = "full"
    """full: committed records survive a power failure. normal: they survive a crash of the process."""

    audit_queue_records: int = Field(default=100_000, ge=1)
    """Records that a worker queues in relaxed mode; further ones are dropped."""

    audit_keep_days: float | None = Field(default=None, gt=0, le=36_500)
    """Days after which requests are pruned from the log. Unset: they are kept."""

    audit_max_bytes: int | None = Field(default=None, ge=1024**2)
    """Bytes of the log in use, without the ledger, above which its oldest requests are pruned. Unset: no
    limit."""

    audit_keep_at_least_days: float | None = Field(default=None, gt=0, le=36_500)
    """Days for which the size limit removes no request. A log that is full of younger requests answers
    predictions with 503 until some are old enough or the limit is raised. Unset: any are removed."""

    audit_refused_bodies: Literal["keep", "digest"] = "keep"
    """keep: the body of a refused request is recorded, up to 64 kB. digest: only its SHA-256 and its length
    are."""

    audit_subject_key_file: Path | None = None
    """File of the key by which the identifiers of persons (header X-Subject-ID) are hashed; created if it
    does not exist. Unset: beside the log, with `.subject-key` added to its name."""

    audit_checkpoint_seconds: float = Field(default=300, ge=1, le=3_600)
    """Seconds between two checkpoints of the log. A receipt needs a checkpoint after its record."""

    audit_signing_key_file: Path | None = None
    """Private key (PEM, Ed25519) that signs the checkpoints; made if it does not exist. Unset: a file beside
    the log."""

    audit_witness: Annotated[tuple[str, ...], NoDecode] = ()
    """Where checkpoints are kept beside the log, separated by commas: a folder, git:REPOSITORY,
    s3://BUCKET/PREFIX or tsa:URL of a time-stamp server. Unset: nowhere, so a rebuilt log is not noticed."""

    replay_sample: int = Field(default=1_000, ge=0, le=1_000_000)
    """Number of the last day's records that are performed again each night and compared; 0 disables it."""

    replay_hour: int = Field(default=3, ge=0, le=23)
    """Hour of the day, UTC, within which the nightly replay starts, and from which on the nightly test of
    monitoring runs."""

    monitoring: Literal["on", "off"] = "on"
    """on: a process beside the workers measures drift and live quality from the log. off: it does not run."""

    monitoring_db: Path | None = None
    """File of monitoring, which can be deleted and is made again from the log. Unset:
    `tabento-monitoring.db` beside the log."""

    monitoring_window_seconds: int = Field(default=3_600, ge=1, le=604_800)
    """Length of a window of drift, in seconds. Windows begin at multiples of it, UTC."""

    monitoring_window_rows: int = Field(default=500, ge=50, le=1_000_000)
    """Rows that a window holds at least: windows are merged until there are as many."""

    monitoring_label_hours: float | None = Field(default=None, ge=0, le=8_760)
    """Hours after which nearly all labels of a prediction have come; younger windows are left out of live
    quality. Unset: as measured, the time within which 95 % of the labels came."""

    release: Path | None = None
    """The release file: which models are served and how, changed by `python -m service.releases`. It may be
    read-only, such as a ConfigMap. Unset: `<model name>.release.json` beside the log."""

    releases_auto: Literal["off", "rollback", "full"] = "rollback"
    """What is done with a release without a person. rollback: the challenger goes if the evidence says so.
    full: it is promoted as well. off: nothing."""

    releases_two_persons: bool = False
    """Whether a model may be promoted only by another person than the one who published it."""

    runtime: Runtime = "auto"
    """auto: the compiled form if it was accepted at publishing, else scikit-learn. sklearn: always
    scikit-learn. compiled: only the compiled form; the service does not start without one."""

    image_digest: str | None = Field(default=None, pattern=r"^(\S+@)?sha256:[0-9a-f]{64}$")
    """Digest of the container image that runs, as sha256:... or NAME@sha256:...; part of the model card.
    Unset: the card has none."""

    workers: int = Field(default=1, ge=1, le=256)
    """Number of worker processes; each loads the model."""

    max_batch_rows: int = Field(default=10_000, ge=1, le=1_000_000)
    """Largest number of rows in a batch request."""

    max_call_rows: int = Field(default=1_024, ge=1, le=1_000_000)
    """Largest number of rows in a call of the model. A larger batch takes several calls; other requests are
    served between them."""

    body_limit_bytes: int = Field(default=32 * 1024**2, ge=1_024)
    """Largest request body or gRPC message. The limit is lower if the contract does not allow one of this
    length."""

    body_timeout_seconds: float = Field(default=30.0, gt=0, le=3_600)
    """Time limit from the end of a request's headers to the end of its body; then the answer is 408."""

    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Addresses and networks (CIDR) of trusted proxies, separated by commas. From their X-Forwarded-For, the
    last address that is not a trusted proxy's is recorded as the client's."""

    max_queued_rows: int = Field(default=20_000, ge=1)
    """Single-row requests in progress or queued in a worker; further ones are rejected with 429. Larger
    requests have a separate limit: twice the body limit."""

    deadline_ms: int = Field(default=10_000, ge=1, le=3_600_000)
    """Time limit of a prediction; then the answer is 504. A client can set a lower limit for a request with
    the header X-Request-Timeout-Ms."""

    grpc_port: int = Field(default=3001, ge=0, le=65_535)
    """Port of gRPC, shared by all workers; 0 disables gRPC."""

    grpc_host: str | None = None
    """Address that gRPC listens on. Unset: the address of HTTP."""

    grpc_keepalive_seconds: float = Field(default=60, ge=1, le=86_400)
    """Idle time after which a gRPC connection is pinged, and closed if it does not respond."""

    grpc_tls_cert: Path | None = None
    """Certificate chain (PEM) of the gRPC server; set it with the key to enable TLS."""

    grpc_tls_key: Path | None = None
    """Private key (PEM) of the certificate."""

    grpc_tls_client_ca: Path | None = None
    """CA certificates (PEM) that must have signed a gRPC client's certificate. Unset: clients need none."""

    api_keys_file: Path | None = None
    """File of hashed API keys, written by `python -m service.access`. Unset: no key is required."""

    audit_two_keys: bool = False
    """Whether commands that remove from the log need two different API keys with the scope privacy, each in
    a file that `--key-file` names. Needs TABENTO_API_KEYS_FILE."""

    cors_origins: Origins = None
    """Origins whose pages may call the service from a browser, such as https://app.example.com, separated by
    commas; * allows any origin. Unset: none."""

    drain_seconds: float = Field(default=5.0, ge=0, le=20)
    """Time after SIGTERM during which /readyz returns 503 and requests are still served, so that a load
    balancer can redirect them."""

    fast_connection: Literal["on", "off"] = "on"
    """on: predictions whose body arrives with their headers take a faster path through uvicorn. off: every
    request takes uvicorn's path."""

    access_log: bool = False
    """Whether to log a line for each request: client, method, path, status, time, id."""

    @property
    def monitoring_path(self) -> Path:
        """The file of monitoring."""
        return self.monitoring_db or self.audit_db.with_name("tabento-monitoring.db")

    def release_path(self, name: str) -> Path:
        """The release file of the models of a name."""
        return self.release or self.audit_db.with_name(f"{name}{RELEASE_SUFFIX}")

    @field_validator("audit_keep_at_least_days")
    @classmethod
    def _not_beyond_keep_days(cls, floor: float | None, info: ValidationInfo) -> float | None:
        keep_days = info.data.get("audit_keep_days")
        if floor is not None and keep_days is not None and floor > keep_days:
            raise PydanticCustomError(
                "floor",
                "TABENTO_AUDIT_KEEP_DAYS removes requests after {keep_days} days; they cannot be kept for at "
                "least {floor}",
                {"keep_days": keep_days, "floor": floor},
            )
        return floor

    @field_validator("audit_two_keys")
    @classmethod
    def _need_keys(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("api_keys_file") is None:
            raise PydanticCustomError("two_keys", "it needs TABENTO_API_KEYS_FILE, which is not set")
        return value

    @field_validator("trusted_proxies", "audit_witness", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [item.strip() for item in value.split(",") if item.strip()]
        return value


def load_settings() -> Settings:
    """Read the environment; raises SettingInvalid, which names the variable and the reason."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        variable = PREFIX + str(first["loc"][0]).upper()
        raise SettingInvalid(variable, first["input"], first["msg"]) from error

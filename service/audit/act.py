"""Acts: what persons, keys and the service itself did to the log or with it, each with an actor and a reason.

The ledger is the chain of all acts of a log. Retention does not touch it.
"""

from datetime import UTC, datetime
from typing import Literal, NamedTuple
from uuid import uuid4

from pydantic_core import to_json

from service.audit.utc_text import utc_text
from service.system.account import account_name

ActKind = Literal[
    "backup",
    "export",
    "feedback",
    "hold",
    "hold_release",
    "key",
    "model",
    "prune",
    "read",
    "redaction",
    "refused",
    "release",
    "restore",
    "start",
    "stop",
    "upgrade",
]
ActorKind = Literal["key", "shell", "service", "anonymous"]


class Actor(NamedTuple):
    """Who did something."""

    name: str
    """The name of an API key; the name that a person at a shell claims; ``service``."""
    kind: ActorKind
    system_user: str | None = None
    """The account of the process at a shell."""
    key_names: tuple[str, ...] = ()
    """The API keys that were shown for an act that takes two."""


ANONYMOUS = Actor("anonymous", "anonymous")
"""The actor of a request where no key is required."""

SERVICE = Actor("service", "service")
"""The actor of what the service does by itself."""


class Act(NamedTuple):
    """A row of ``ledger`` without its place; the fields are in the order of the hash (chain.py)."""

    act_id: str
    """By which it is found again. It is random, but for an act that a log has once."""
    recorded_utc: str
    kind: str
    actor: str
    actor_kind: str
    system_user: str | None
    reason: str | None
    request: int | None
    """The id of the request that it is about."""
    subject: str | None
    """The keyed hash of the person that it is about."""
    detail_json: str


MODEL_PREFIX = "model:"
"""What the ``act_id`` of a model begins with, before the model id."""

_OVERHEAD_BYTES = 80
"""Of an act in the file: its hash, its places, and its entries in the indexes."""

ACT_COLUMNS = ", ".join(Act._fields)


def make_act(
    kind: ActKind,
    actor: Actor,
    detail: dict[str, object],
    *,
    reason: str | None = None,
    request: int | None = None,
    subject: str | None = None,
    act_id: str | None = None,
) -> Act:
    """An act of this moment."""
    return Act(
        act_id or uuid4().hex,
        utc_text(datetime.now(UTC)),
        kind,
        actor.name,
        actor.kind,
        actor.system_user,
        reason,
        request,
        subject,
        to_json(detail | ({"key_names": actor.key_names} if actor.key_names else {})).decode(),
    )


def model_act(model_id: str, card: dict[str, object]) -> Act:
    """The act by which a model enters a log, before its first prediction."""
    return make_act("model", SERVICE, card, act_id=f"{MODEL_PREFIX}{model_id}")


def stored_bytes(act: Act) -> int:
    """About how long an act is in the log's file; its identifier and its kind are in indexes too."""
    texts = [value for value in (*act, act.act_id, act.kind) if isinstance(value, str)]
    # An eighth of a page stays free.
    return (_OVERHEAD_BYTES + sum(len(text.encode()) for text in texts)) * 9 // 8


def shell_actor(name: str | None = None) -> Actor:
    """The person at a shell who claims this name; by default the name of the account."""
    user = account_name()
    return Actor(name or user, "shell", user)


def key_actor(key_name: str | None) -> Actor:
    """The client of a request with this API key; None where no key is required."""
    return ANONYMOUS if key_name is None else Actor(key_name, "key")


def is_act(packed: tuple[object, ...]) -> bool:
    """Whether the plain values that a worker sent are an act, and not a record."""
    return len(packed) == len(Act._fields)

"""Changes of the API keys as acts of the ledger, each made together with the change of the file of keys.

    lock the file of keys -> begin a transaction -> insert the act -> replace the file -> commit

A process that is killed before the file was replaced has changed nothing. One that is killed after it has
changed the file without an act, as has an editor, or a command before the log existed. So the next command,
each start of the service, and a worker that sees the file change compare the file with what the ledger
states, and state what they find.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import apsw
from pydantic_core import from_json

from service.access.keyring import Key, read_keys
from service.audit.act import SERVICE, Act, Actor, make_act
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.write.logfile import LogFile

MAX_FOUND = 100
"""Keys that one act states as found. The next comparison states others."""

_ACTS = "SELECT detail_json FROM ledger WHERE kind = 'key' ORDER BY id"

Identity = tuple[str, str | None]
"""Name and id of a key; keys of early versions have no id."""


class _State(NamedTuple):
    scopes: tuple[str, ...]
    expires_utc: str | None
    state: Literal["valid", "revoked", "gone"]
    """``gone``: the file has no such key any more. A key that expires stays valid until its time."""


def key_act(done: Literal["made", "revoked"], key: Key, actor: Actor, reason: str) -> Act:
    """The act of a change of one key."""
    return make_act("key", actor, {"done": done, **_facts(_identity(key), _state(key))}, reason=reason)


def record_change(db: Path, keys: Sequence[Key], act: Act, replace: Callable[[], None]) -> None:
    """Replace the file of keys, and commit the act with it; ``keys`` are those before.

    Raises AuditUnusable if the log does not state the change, whether the file was replaced or not.
    """
    open_for_reading(db).close()  # A command neither creates a log nor migrates one.
    with (
        closing(LogFile(db)) as log,
        errors_as_unusable(db),
        log.transaction() as (connection, tail),
    ):
        for found in _found(connection, keys):
            tail.add_act(found)
        tail.add_act(act)
        replace()


def record_found(log: LogFile, path: Path) -> None:
    """State the keys of a file that the ledger does not state, or states otherwise; raises KeysUnusable."""
    with log.transaction() as (connection, tail):
        # Read under the write lock, within which a command replaces the file.
        for act in _found(connection, read_keys(path)):
            tail.add_act(act)


def _found(connection: apsw.Connection, keys: Iterable[Key]) -> Iterator[Act]:
    stated = _stated(connection)
    present = {_identity(key): _state(key) for key in keys}
    found = {key: state for key, state in present.items() if stated.get(key) != state}
    found |= {
        key: state._replace(state="gone")
        for key, state in stated.items()
        if key not in present and state.state != "gone"
    }
    if found:
        shown = [{**_facts(key, found[key]), "state": found[key].state} for key in [*found][:MAX_FOUND]]
        yield make_act("key", SERVICE, {"done": "found", "keys": shown, "more": len(found) - len(shown)})


def _stated(connection: apsw.Connection) -> Mapping[Identity, _State]:
    """The state of each key after the last act that names it."""
    states: dict[Identity, _State] = {}
    for (text,) in connection.execute(_ACTS):
        with suppress(KeyError, TypeError, ValueError):  # A changed act is what `verify` finds.
            detail: dict[str, Any] = from_json(text)
            of_done = "revoked" if detail["done"] == "revoked" else "valid"
            for key in detail.get("keys", [detail]):
                identity = key["name"], key["id"]
                states[identity] = _State(tuple(key["scopes"]), key["expires_utc"], key.get("state", of_done))
    return states


def _identity(key: Key) -> Identity:
    return key.name, key.id


def _state(key: Key) -> _State:
    return _State(key.scopes, key.expires_utc, "valid" if key.revoked_utc is None else "revoked")


def _facts(key: Identity, state: _State) -> dict[str, object]:
    name, id_ = key
    return {"name": name, "id": id_, "scopes": state.scopes, "expires_utc": state.expires_utc}

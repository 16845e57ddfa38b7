"""Keys expire, leave their names behind, and every change of them is an act of the ledger."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.access.__main__ import main
from service.access.authorization import authorize
from service.access.keyring import Key, Keyring, make_key, read_keys
from service.audit.prove.verify import verify
from service.audit.query.acts import logged_acts
from service.audit.write.key_acts import MAX_FOUND, record_found
from service.audit.write.logfile import LogFile
from service.errors import KeyExpired, KeyInvalid
from service.routes import INCLUDED, SCOPES, Scope
from tests.support.key_files import write_keys
from tests.support.run_here import run_here

CLAIM = ("--by", "ada", "--reason", "a test")


class Files:
    """A file of keys beside a log."""

    def __init__(self, folder: Path) -> None:
        self.keys, self.db = folder / "keys.json", folder / "audit.db"
        LogFile(self.db).close()

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return run_here(main, "--file", self.keys, "--db", self.db, *arguments)

    def acts(self) -> list[dict[str, Any]]:
        return [act.detail for act in logged_acts(self.db, kind="key")]

    def start(self) -> None:
        """What the service does with its keys when it starts."""
        log = LogFile(self.db)
        record_found(log, self.keys)
        log.close()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_change_of_a_key_is_an_act_with_its_facts_and_without_the_key(files: Files) -> None:
    text = files.run("new", "ci", "--scope", "metrics", "--days", 2, *CLAIM).stdout.strip()
    files.run("revoke", "ci", "--by", "bob", "--reason", "it leaked")

    (key,) = read_keys(files.keys)
    made, revoked = logged_acts(files.db)
    facts = {"name": "ci", "id": key.id, "scopes": ["metrics"], "expires_utc": key.expires_utc}
    assert made.detail == {"done": "made", **facts}
    assert revoked.detail == {"done": "revoked", **facts}
    assert (made.kind, made.actor, made.actor_kind, made.reason) == ("key", "ada", "shell", "a test")
    assert (revoked.actor, revoked.reason) == ("bob", "it leaked")
    assert made.system_user
    files.start()
    assert len(files.acts()) == 2
    assert verify(files.db).ok
    assert text.encode() not in files.db.read_bytes()


def test_a_key_is_refused_from_the_moment_of_its_expiry_and_says_so_to_its_holder_alone(
    files: Files,
) -> None:
    text = files.run("new", "ci", "--days", 1.5 / 86_400, *CLAIM).stdout.strip().encode()
    keyring = Keyring(files.keys)
    (key,) = read_keys(files.keys)
    assert key.expires_utc is not None
    until = datetime.fromisoformat(key.expires_utc)
    headers = {b"x-api-key": text}
    while datetime.now(UTC) < until:
        found = keyring.find(text)  # It may expire between the two readings of the clock.
        assert found is not None or datetime.now(UTC) >= until
        time.sleep(0.02)
    with pytest.raises(KeyExpired, match="has expired"):
        authorize(keyring, "predict", headers)
    for other in (text[:-1] + b"!", text[:-5], b"tabento_nothing"):
        with pytest.raises(KeyInvalid) as refusal:
            authorize(keyring, "predict", {b"x-api-key": other})
        assert type(refusal.value) is KeyInvalid
    assert f"expired {key.expires_utc}" in files.run("list").stdout


@pytest.mark.parametrize("ended", ["revoked", "expired"])
def test_the_name_of_a_key_that_ended_is_not_used_again(files: Files, ended: str) -> None:
    if ended == "expired":
        _, key = make_key("ci", ["predict"], days=-1)
        write_keys(files.keys, [key])
    else:
        files.run("new", "ci", *CLAIM)
        files.run("revoke", "ci", *CLAIM)
    done = files.run("new", "ci", *CLAIM)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"has a key named 'ci' already ({ended} 20" in done.stderr
    assert "a name is not used again" in done.stderr
    assert f"\t{ended} 20" in files.run("list").stdout


def test_a_revoked_key_is_refused_like_one_that_never_was_and_cannot_be_revoked_again(files: Files) -> None:
    text = files.run("new", "ci", *CLAIM).stdout.strip().encode()
    assert files.run("revoke", "ci", *CLAIM).returncode == 0
    with pytest.raises(KeyInvalid, match="A valid API key is required") as refusal:
        authorize(Keyring(files.keys), "predict", {b"x-api-key": text})
    assert refusal.value.key_name == "ci"
    done = files.run("revoke", "ci", *CLAIM)
    assert done.returncode == 2
    assert "was revoked before" in done.stderr


def test_a_key_made_before_the_log_is_stated_at_the_next_start(files: Files) -> None:
    files.db.unlink()
    done = files.run("new", "early", *CLAIM)
    assert done.returncode == 0
    assert f"the audit log {files.db} does not state this change: there is no such file" in done.stderr
    assert Keyring(files.keys).find(done.stdout.strip().encode()) is not None
    assert not files.db.exists()

    for _ in range(2):
        files.start()
    (found,) = files.acts()
    assert (found["done"], found["more"]) == ("found", 0)
    assert [(key["name"], key["state"]) for key in found["keys"]] == [("early", "valid")]


def test_many_keys_are_stated_as_found_a_bounded_number_at_a_time(files: Files) -> None:
    write_keys(files.keys, [make_key(f"key-{n}", ["predict"])[1] for n in range(2 * MAX_FOUND + 5)])
    for _ in range(5):
        files.start()
    acts = files.acts()
    assert [(len(act["keys"]), act["more"]) for act in acts] == [(100, 105), (100, 5), (5, 0)]
    assert len({key["name"] for act in acts for key in act["keys"]}) == 2 * MAX_FOUND + 5


def test_a_log_that_cannot_be_written_does_not_stop_a_change(files: Files) -> None:
    files.db.write_bytes(b"this is not a database of any kind" * 100)
    text = files.run("new", "ci", *CLAIM)
    assert text.returncode == 0
    assert "it is not a SQLite database" in text.stderr
    assert files.run("revoke", "ci", *CLAIM).returncode == 0
    assert Keyring(files.keys).find(text.stdout.strip().encode()) is None


KILLED = """
import os, signal, sys
from pathlib import Path
from service.access import keyfile, keyring
from service.access.__main__ import main
replace = keyring.replace_file
def die(target, content):
    if sys.argv[1] == "after":
        replace(target, content)
    os.kill(os.getpid(), signal.SIGKILL)
keyring.replace_file = die
main(sys.argv[2:])
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["new", "revoke"])
def test_a_command_killed_around_the_replacing_of_the_file_leaves_what_the_next_start_states(
    files: Files, step: str, when: str
) -> None:
    files.run("new", "old", *CLAIM)
    name = "fresh" if step == "new" else "old"
    command = ["--file", str(files.keys), "--db", str(files.db), step, name, *CLAIM]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, when, *command], capture_output=True, timeout=60, env={**os.environ}
    )
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, b"")
    assert [act["done"] for act in files.acts()] == ["made"]
    files.start()

    state = {"new": "valid", "revoke": "revoked"}[step]
    found = [[(key["name"], key["state"]) for key in act["keys"]] for act in files.acts()[1:]]
    assert found == ([[(name, state)]] if when == "after" else [])
    assert files.run("new", "next", *CLAIM).returncode == 0
    assert files.acts()[-1]["name"] == "next"
    assert verify(files.db).ok


Steps = st.lists(
    st.tuples(st.sampled_from(["new", "revoke", "edit", "remove", "start"]), st.sampled_from("abc")),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(Steps)
def test_after_any_changes_a_start_leaves_a_ledger_that_states_the_file(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    files = Files(tmp_path_factory.mktemp("steps"))
    write_keys(files.keys, [])
    for step, name in steps:
        keys = read_keys(files.keys)
        if step in ("new", "revoke"):
            files.run(step, name, *CLAIM)
        elif step == "edit":  # Around the command.
            write_keys(files.keys, [k.model_copy(update={"scopes": ("audit",)}) for k in keys])
        elif step == "remove":
            write_keys(files.keys, [key for key in keys if key.name != name])
        else:
            files.start()
    files.start()
    assert stated(files) == {key.id: facts(key) for key in read_keys(files.keys)}
    before = len(files.acts())
    files.start()
    assert len(files.acts()) == before
    assert verify(files.db).ok


def facts(key: Key) -> tuple[str, list[str], str]:
    return key.name, list(key.scopes), "revoked" if key.revoked_utc else "valid"


def stated(files: Files) -> dict[str | None, tuple[str, list[str], str]]:
    """What an auditor reads from the acts alone."""
    states: dict[str | None, tuple[str, list[str], str]] = {}
    for act in files.acts():
        for key in act.get("keys", [act]):
            state = key.get("state") or {"made": "valid", "revoked": "revoked"}[act["done"]]
            states[key["id"]] = key["name"], key["scopes"], state
            if state == "gone":
                del states[key["id"]]
    return states


def test_a_file_of_an_earlier_version_is_read_as_before(tmp_path: Path) -> None:
    text, key = make_key("old", ["read"])
    row = {"name": "old", "sha256": key.sha256, "scopes": ["read"], "created_utc": "2026-01-01T00:00:00Z"}
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [row]}))
    found = Keyring(tmp_path / "keys.json").find(text.encode())
    assert found is not None
    assert found.is_valid
    assert [scope for scope in SCOPES if found.allows(scope)] == ["metrics", "history", "read"]


@given(st.lists(st.sampled_from(SCOPES), min_size=1, unique=True), st.sampled_from(SCOPES))
def test_a_key_allows_its_scopes_and_what_they_include(scopes: list[Scope], needed: Scope) -> None:
    _, key = make_key("ci", scopes)
    assert key.allows(needed) == (needed in {*scopes}.union(*(INCLUDED.get(held, ()) for held in scopes)))

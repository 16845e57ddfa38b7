"""Keys are made, found and revoked; the file never holds one."""

import stat
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from service.access.__main__ import main
from service.access.authorization import authorize
from service.access.keyring import Keyring, make_key, read_keys
from service.errors import KeyInvalid, KeysUnusable, ScopeMissing
from service.routes import ANY_KEY, SCOPES, Scope
from tests.support.key_files import write_keys
from tests.support.run_here import run_here

CLAIM = ("--by", "ada", "--reason", "a test")


def command(*arguments: object, **environment: str) -> CompletedProcess[str]:
    return run_here(main, *arguments, **{"TABENTO_AUDIT_DB": "no-such-folder/audit.db", **environment})


def keyring(path: Path, *scopes: Scope) -> tuple[Keyring, bytes]:
    text, key = make_key("ci", scopes)
    write_keys(path, [key])
    return Keyring(path), text.encode()


def test_a_key_is_shown_once_and_kept_as_a_hash_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    made = command("--file", file, "new", "ci", "--scope", "read", "--scope", "predict", *CLAIM)
    assert made.returncode == 0, made.stderr
    text = made.stdout.strip()
    assert text.startswith("tabento_")
    assert text not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = Keyring(file).find(text.encode())
    assert found is not None
    assert (found.name, found.scopes) == ("ci", ("predict", "read"))
    assert command("--file", file, "list").stdout.startswith("ci\tpredict,read\t2")


def test_a_keys_command_that_fails_says_why_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    assert command("--file", file, "new", "ci", *CLAIM).returncode == 0
    for arguments, said in (
        (("--file", file, "new", "ci", *CLAIM), "has a key named 'ci' already"),
        (("--file", file, "new", "a b", *CLAIM), "'a b' is no name"),
        (("--file", file, "new", "b"), "Missing option '--by'"),
        (("--file", file, "new", "b", "--by", "ada"), "Missing option '--reason'"),
        (("--file", file, "revoke", "ci", "--by", "ada"), "Missing option '--reason'"),
        (("--file", file, "new", "b", "--days", "0", *CLAIM), "greater than 0"),
        (("--file", file, "revoke", "nobody", *CLAIM), "has no key named 'nobody'"),
        (("--file", tmp_path / "none.json", "list"), "No such file"),
        (("--file", tmp_path / "no" / "folder.json", "new", "x", *CLAIM), "No such file"),
        (("list",), "set TABENTO_API_KEYS_FILE"),
    ):
        done = command(*arguments)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_the_file_is_named_by_the_setting_where_no_other_is(tmp_path: Path) -> None:
    file = str(tmp_path / "keys.json")
    assert command("new", "ci", *CLAIM, TABENTO_API_KEYS_FILE=file).returncode == 0
    assert [key.name for key in read_keys(Path(file))] == ["ci"]


@pytest.mark.parametrize("text", ["", "[]", '{"keys": [{"name": "x"}]}', '{"keys": [], "more": 1}'])
def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(KeysUnusable, match=r"keys\.json"):
        Keyring(tmp_path / "keys.json")


def test_a_revoked_key_stops_working_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    keys, text = keyring(file, "predict")
    file.write_text("broken")
    keys.refresh()
    assert keys.find(text) is not None
    write_keys(file, [])
    keys.refresh()
    assert keys.find(text) is None


@pytest.mark.parametrize(
    "header",
    [(b"authorization", b"Bearer %b"), (b"authorization", b"bearer  %b "), (b"x-api-key", b"%b")],
)
def test_a_key_is_taken_from_either_header(tmp_path: Path, header: tuple[bytes, bytes]) -> None:
    keys, text = keyring(tmp_path / "keys.json", "predict")
    found = authorize(keys, "predict", {header[0]: header[1] % text})
    assert found is not None
    assert found.name == "ci"


def test_a_missing_or_wrong_key_is_refused_for_every_scope_and_ignored_on_open_routes(
    tmp_path: Path,
) -> None:
    keys, text = keyring(tmp_path / "keys.json", "admin")
    for headers in ({}, {b"authorization": b"Bearer " + text[:-1]}, {b"authorization": b"Basic " + text}):
        assert authorize(keys, None, headers) is None
        for scope in SCOPES:
            with pytest.raises(KeyInvalid):
                authorize(keys, scope, headers)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_of_any_scope_is_accepted_where_any_key_is_enough(tmp_path: Path, scope: Scope) -> None:
    keys, text = keyring(tmp_path / "keys.json", scope)
    assert authorize(keys, ANY_KEY, {b"x-api-key": text}) is not None
    with pytest.raises(KeyInvalid):
        authorize(keys, ANY_KEY, {})


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_is_good_for_its_own_scope_and_admin_for_all(tmp_path: Path, scope: Scope) -> None:
    keys, text = keyring(tmp_path / "keys.json", scope)
    for needed in SCOPES:
        if scope in (needed, "admin") or (scope == "read" and needed in ("metrics", "history")):
            assert authorize(keys, needed, {b"x-api-key": text}) is not None
        else:
            with pytest.raises(ScopeMissing, match=f"'ci' has no scope '{needed}'"):
                authorize(keys, needed, {b"x-api-key": text})

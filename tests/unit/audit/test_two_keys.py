"""If two persons have to agree, nothing is removed from the log without a key of each."""

from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.access.keyring import Key, make_key, revoked
from service.audit.__main__ import main
from service.audit.query.acts import logged_acts
from service.audit.query.reader import AuditReader
from service.errors import SettingInvalid
from service.settings import load_settings
from tests.support.audit.logs import numbered, write
from tests.support.key_files import write_keys
from tests.support.run_here import run_here

CLAIM = ("--by", "ada", "--reason", "a request of the person")
REDACT = ("redact", "--request-id", "r-2", *CLAIM)
PRUNE = ("prune", "--keep-days", "1", "--trust-clock", *CLAIM)

SHOWN = ["ann", "ben", "root", "robot", "late", "gone", "empty", "ann-too", "none"]


class Office:
    """A log, and keys of several kinds in files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.db, self.keys = folder, folder / "audit.db", folder / "keys.json"
        made = {
            "ann": make_key("ann", ["privacy"]),
            "ben": make_key("ben", ["privacy", "predict"]),
            "root": make_key("root", ["admin"]),
            "robot": make_key("robot", ["predict", "audit", "review", "history"]),
            "late": make_key("late", ["privacy"], days=-1),
            "gone": make_key("gone", ["privacy"]),
        }
        kept: dict[str, Key] = {name: key for name, (_, key) in made.items()}
        kept["gone"] = revoked(kept["gone"])
        write_keys(self.keys, [*kept.values()])
        for name, (text, _) in made.items():
            (folder / name).write_text(f"{text}\n")
        (folder / "empty").write_text("")
        (folder / "ann-too").write_text(made["ann"][0])
        write(self.db, *numbered(4))

    def run(self, command: tuple[str, ...], *names: str, **environment: str) -> CompletedProcess[str]:
        shown = [option for name in names for option in ("--key-file", self.folder / name)]
        given = {"TABENTO_AUDIT_TWO_KEYS": "true", "TABENTO_API_KEYS_FILE": str(self.keys), **environment}
        return run_here(main, "--db", self.db, *command, *shown, **given)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.mark.parametrize(("command", "kind"), [(REDACT, "redaction"), (PRUNE, "prune")])
@pytest.mark.parametrize("names", [("ann", "ben"), ("root", "ann")])
def test_two_keys_of_privacy_or_admin_remove_and_the_act_names_them(
    office: Office, command: tuple[str, ...], kind: str, names: tuple[str, ...]
) -> None:
    done = office.run(command, *names)
    assert (done.returncode, done.stderr) == (0, "")
    (act,) = logged_acts(office.db, kind=kind)
    assert act.detail["key_names"] == [*names]
    assert act.actor == "ada"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([REDACT, PRUNE]),
    st.lists(st.sampled_from(SHOWN), max_size=3),
)
def test_no_other_keys_remove_anything(office: Office, command: tuple[str, ...], names: list[str]) -> None:
    persons = {name.removesuffix("-too") for name in names}
    if len(names) == 2 and len(persons) == 2 and persons <= {"ann", "ben", "root"}:
        return
    done = office.run(command, *names)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert [*logged_acts(office.db)] == []
    assert [bool(record.request) for record in AuditReader(office.db).last_records(9)] == [True] * 4


def test_each_refusal_says_what_is_needed(office: Office) -> None:
    for names, said in (
        ((), "give --key-file twice"),
        (("ann",), "give --key-file twice"),
        (("ann", "ann-too"), "hold the same key"),
        (("ann", "robot"), f"{office.folder / 'robot'} holds no valid key with the scope privacy"),
        (("ann", "late"), "holds no valid key"),
        (("ann", "none"), "No such file"),
    ):
        assert said in office.run(REDACT, *names).stderr


def test_without_the_switch_no_key_is_needed_and_those_that_are_shown_are_checked(office: Office) -> None:
    assert office.run(REDACT, "ann", "late", TABENTO_AUDIT_TWO_KEYS="false").returncode == 2
    assert office.run(REDACT, TABENTO_AUDIT_TWO_KEYS="false").returncode == 0
    (act,) = logged_acts(office.db)
    assert "key_names" not in act.detail


def test_the_switch_needs_a_file_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABENTO_AUDIT_TWO_KEYS", "true")
    monkeypatch.delenv("TABENTO_API_KEYS_FILE", raising=False)
    with pytest.raises(SettingInvalid, match=r"TABENTO_AUDIT_TWO_KEYS.*needs TABENTO_API_KEYS_FILE"):
        load_settings()

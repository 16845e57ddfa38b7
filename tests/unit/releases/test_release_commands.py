"""Commands that change a release where no service runs: what they check, state and write."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import apsw
import bentoml
import pytest

from service.access.keyring import make_key
from service.audit.act import SERVICE, make_act
from service.audit.query.acts import LoggedAct, logged_acts
from service.audit.write.single_act import append_act
from service.model.published import CONTRACT_FILE, PUBLISHER_LABEL
from service.model.release.release import Release
from service.monitoring.evidence.evidence import Action, Evidence
from service.monitoring.store.newest_evidence import EVIDENCE_TABLE, put_evidence
from service.releases.__main__ import main
from service.releases.release_file import read_release, write_release
from service.system.account import account_name
from tests.support.audit.logs import write
from tests.support.key_files import write_keys
from tests.support.releases import release
from tests.support.run_here import run_here
from tests.support.small_models import publish_picky
from tests.support.stores import opened_store, stored_copy

NAME = "letters"


@pytest.fixture(scope="module")
def tags(stores: dict[str, str]) -> Iterator[list[str]]:
    """The tags of three models that are alike, and of one with another feature."""
    with opened_store(stores):
        same = [publish_picky(NAME) for _ in range(3)]
        other = stored_copy(
            same[0],
            NAME,
            lambda folder, _: (folder / CONTRACT_FILE).write_text(
                (folder / CONTRACT_FILE).read_text().replace('"letter"', '"sign"')
            ),
        )
        yield [*same, other]


class Office:
    """A log of a service that has started once, and its release."""

    def __init__(self, folder: Path, champion: str) -> None:
        self.folder, self.log = folder, folder / "audit.db"
        self.file = folder / f"{NAME}.release.json"
        write(self.log)
        append_act(self.log, make_act("start", SERVICE, {"model": champion}))

    def run(self, *arguments: object, **settings: str) -> CompletedProcess[str]:
        return run_here(main, *arguments, TABENTO_AUDIT_DB=str(self.log), **settings)

    def change(self, *arguments: object, **settings: str) -> Release:
        done = self.run(*arguments, "--reason", "a test", **settings)
        assert done.returncode == 0, done.stderr
        changed = read_release(self.file)
        assert changed is not None
        return changed

    @property
    def acts(self) -> list[LoggedAct]:
        return [*logged_acts(self.log, kind="release")]

    def tell(self, release: Release, action: Action) -> None:
        """Let monitoring have evidence of the release."""
        evidence = Evidence(assessed_utc=datetime.now(UTC), release=release, read_upto_id=7, action=action)
        connection = apsw.Connection(str(self.folder / "tabento-monitoring.db"))
        connection.execute(EVIDENCE_TABLE)
        put_evidence(connection, evidence)
        connection.close()


@pytest.fixture
def office(tmp_path: Path, tags: list[str]) -> Office:
    return Office(tmp_path, tags[0])


def test_the_first_challenger_stands_beside_the_model_of_the_last_start(
    office: Office, tags: list[str]
) -> None:
    done = office.run(
        "canary", tags[1], "--share", "0.2", "--margin", "0.05", "--reason", "why", "--by", "ada"
    )
    assert done.returncode == 0
    assert "takes effect at the next start" in done.stdout
    made = read_release(office.file)
    assert made is not None
    assert (made.champion, made.challenger, made.mode, made.share) == (tags[0], tags[1], "canary", 0.2)
    assert (made.policy.margin, made.reason, made.changed_by) == (0.05, "why", "ada")
    (act,) = office.acts
    assert (act.actor, act.system_user, act.reason) == ("ada", account_name(), "why")
    assert act.detail["action"] == "canary"
    assert act.detail["before"] is None
    assert Release.model_validate(act.detail["release"]) == made


def test_a_promotion_needs_evidence_or_force(office: Office, tags: list[str]) -> None:
    trial = office.change("shadow", tags[1])
    assert office.run("promote", "--reason", "x").returncode == 1
    office.tell(trial, "wait")
    against = office.run("promote", "--reason", "x")
    assert against.returncode == 1
    assert "does not recommend" in against.stderr
    assert "Wait" in against.stdout
    assert "Wait" in office.run("evidence").stdout
    assert read_release(office.file) == trial
    promoted = office.change("promote", "--force")
    assert (promoted.champion, promoted.previous, promoted.is_fallback) == (tags[1], tags[0], True)
    detail = office.acts[-1].detail
    assert detail["forced"] is True
    assert isinstance(detail["evidence"], dict)
    assert detail["evidence"]["action"] == "wait"
    back = office.change("rollback")
    assert (back.champion, back.mode) == (tags[0], "single")
    assert [act.detail["action"] for act in office.acts] == ["shadow", "promote", "rollback"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("shadow", "{0}"), "is the champion"),
        (("shadow", "letters:none"), "no model"),
        (("shadow", "{3}", "--replace"), "It lacks the features letter"),
        (("canary", "{2}", "--share", "0.5"), "give --replace"),
        (("canary", "{1}", "--share", "1.5"), "share"),
        (("canary", "{1}", "--alpha", "0.7"), "alpha"),
        (("shadow", "iris:x"), "no model"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    office: Office, tags: list[str], arguments: tuple[str, ...], reason: str
) -> None:
    before = office.change("shadow", tags[1])
    done = office.run(*(argument.format(*tags) for argument in arguments), "--reason", "x")
    assert done.returncode == 2
    assert reason in done.stderr
    assert read_release(office.file) == before
    assert len(office.acts) == 1


def test_a_change_needs_a_reason_and_something_to_change(office: Office, tags: list[str]) -> None:
    assert "--reason" in office.run("shadow", tags[1]).stderr
    for command in ("promote", "rollback", "stop"):
        assert office.run(command, "--reason", "x").returncode == 2
    assert "name the model to try" in office.run("canary", "--reason", "x").stderr
    assert not office.file.exists()


def test_show_tells_what_waits_and_what_is_refused(office: Office, tags: list[str]) -> None:
    assert "No release is in force" in office.run("show").stdout
    office.change("shadow", tags[1])
    shown = office.run("show").stdout
    assert "Waits for the workers" in shown
    assert "Workers: 0" in shown
    office.file.write_text("{")
    assert "is refused" in office.run("show").stdout
    assert '"refused"' in office.run("show", "--json").stdout
    write_release(office.file, release())
    assert "is of models model" in office.run("show", "--model", NAME).stdout


def test_the_model_is_named_where_there_are_releases_of_several(office: Office, tags: list[str]) -> None:
    office.change("shadow", tags[1])
    write_release(office.folder / "model.release.json", release())
    assert "name one with --model" in office.run("show").stderr
    assert office.run("show", "--model", NAME).returncode == 0


def test_who_published_a_model_does_not_promote_it(office: Office, tags: list[str]) -> None:
    switch = {"TABENTO_RELEASES_TWO_PERSONS": "on"}
    assert bentoml.models.get(tags[1]).info.labels[PUBLISHER_LABEL] == account_name()
    office.change("shadow", tags[1], **switch)
    refused = office.run("promote", "--force", "--reason", "x", **switch)
    assert refused.returncode == 2
    assert f"{account_name()} published {tags[1]}" in refused.stderr
    unknown = stored_copy(tags[0], NAME, lambda *_: None)
    office.change("shadow", unknown, "--replace", **switch)
    assert "does not state who" in office.run("promote", "--force", "--reason", "x", **switch).stderr


def test_a_shown_key_of_the_scope_is_named_in_the_act(office: Office, tags: list[str]) -> None:
    keys = office.folder / "keys.json"
    made = {scope: make_key(scope, [scope]) for scope in ("release", "predict")}
    write_keys(keys, [key for _, key in made.values()])
    for name, (text, _) in made.items():
        (office.folder / name).write_text(text)
    settings = {"TABENTO_API_KEYS_FILE": str(keys)}
    wrong = office.run(
        "shadow", tags[1], "--reason", "x", "--key-file", office.folder / "predict", **settings
    )
    assert "no valid key with the scope release" in wrong.stderr
    office.change("shadow", tags[1], "--key-file", office.folder / "release", **settings)
    assert office.acts[-1].detail["key_names"] == ["release"]

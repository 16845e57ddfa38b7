"""``python -m lifecycle replay``: what it writes, and its exit codes."""

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from lifecycle.__main__ import COMMANDS, main
from lifecycle.replay.replay_result import ReplayResult
from tests.support.collected_logs import CollectedLog
from tests.support.replay_candidates import Candidates, singles, truths
from tests.support.run_here import run_here

Row = dict[str, Any]
EASY = ("--min-labels", 30, "--margin", 1, "--max-calibration-gap", 1)


@pytest.fixture
def labelled(log: CollectedLog, rows: list[Row]) -> CollectedLog:
    log.write(*singles(log, rows[:60]), *truths(["left", "stays", "unsure"] * 20))
    return log


def replayed(log: CollectedLog, candidate: str, *options: object) -> CompletedProcess[str]:
    return run_here(main, "replay", "--db", log.log, "--model", candidate, *options)


def test_the_exit_code_tells_the_verdict(labelled: CollectedLog, candidates: Candidates) -> None:
    assert replayed(labelled, candidates.same).returncode == 3
    passed = replayed(labelled, candidates.same, *EASY)
    assert (passed.returncode, passed.stderr) == (0, "")
    assert "Verdict: passed. The policy would promote it." in passed.stdout
    objected = replayed(labelled, candidates.other, "--max-disagreement", 0, *EASY)
    assert objected.returncode == 1
    assert "the limit is 0.0 %" in objected.stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--model", "replayed"), "'replayed': String should match pattern"),
        (("--model", "nowhere:1"), "The BentoML store has no model 'nowhere:1'."),
        (("--since", "yesterday"), "a date and time with its time zone is needed"),
        (("--margin", "2"), "'2': Input should be less than or equal to 1"),
        (("--html", "/nowhere/report.html"), "The report /nowhere/report.html cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    labelled: CollectedLog, candidates: Candidates, options: tuple[str, str], sentence: str
) -> None:
    done = replayed(labelled, candidates.same, *options)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_log_that_cannot_be_read_is_named(
    log: CollectedLog, tmp_path: Path, candidates: Candidates
) -> None:
    missing = tmp_path / "missing.db"
    assert log.log.exists()
    done = run_here(main, "replay", "--db", missing, "--model", candidates.same)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"The audit log {missing} cannot be used: there is no such file." in done.stderr


def test_the_text_says_what_would_change(labelled: CollectedLog, candidates: Candidates) -> None:
    text = replayed(labelled, candidates.other).stdout
    for part in (
        f"Candidate {candidates.other} against the recorded answers in audit.db",
        "60 answered records: 60 replayed",
        f"60 answered by {candidates.same}",
        "Another label in ",
        "Outcomes: 60 labelled rows",
        "Only the candidate is right in ",
        "Speed of the models alone",
        "Rows that would get another label",
        "us a single row",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) < 240


def test_the_json_is_the_result(labelled: CollectedLog, candidates: Candidates) -> None:
    done = replayed(labelled, candidates.other, "--json", "--examples", 2, "--since", "900000h")
    result = ReplayResult.model_validate_json(done.stdout)
    assert (result.candidate, result.records.replayed) == (candidates.other, 60)
    assert len(result.disagreements.examples) == 2
    assert json.loads(done.stdout)["verdict"] == result.verdict


def test_an_age_is_a_moment(labelled: CollectedLog, candidates: Candidates) -> None:
    done = replayed(labelled, candidates.same, "--json", "--since", "7d", "--until", "1d")
    assert ReplayResult.model_validate_json(done.stdout).records.records == 0


def test_every_command_is_listed_with_its_exit_codes() -> None:
    listed = run_here(main, "--help").stdout
    for command in COMMANDS:
        assert f"  {command.name} " in listed
    assert "Exit code 0: the policy would promote it." in run_here(main, "replay", "--help").stdout

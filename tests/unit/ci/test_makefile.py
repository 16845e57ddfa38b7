"""The Makefile lists its own targets, and is named rightly where it is named."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.servers import PROJECT

MAKEFILE = (PROJECT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z][a-z-]*):(.*)", MAKEFILE, re.MULTILINE)
PHONY = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
GROUPS = re.findall(r"^##@ (.+)$", MAKEFILE, re.MULTILINE)
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])


def written(*arguments: str) -> str:
    done = subprocess.run(["make", *arguments], cwd=PROJECT, capture_output=True, text=True, check=True)
    return done.stdout


def test_make_alone_lists_every_target_with_what_it_does_in_groups() -> None:
    text = written("--no-print-directory")
    listed = dict(re.findall(r"^  ([a-z-]+) +(.+)$", text, re.MULTILINE))
    assert listed == {name: rest.partition("## ")[2] for name, rest in TARGETS}
    assert all(listed.values())
    assert re.findall(r"^(\S.*)$", text, re.MULTILINE) == GROUPS
    assert written("--no-print-directory", "help") == text


def test_no_target_is_taken_for_a_file() -> None:
    assert sorted(" ".join(PHONY).split()) == sorted(name for name, _ in TARGETS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_document_names_targets_that_there_are(document: Path) -> None:
    if document.name == "CHANGELOG.md":  # It names those that there were.
        return
    named = re.findall(r"(?:`|^\$ (?:[A-Z_]+=\S+ )*)make ([a-z-]+)", document.read_text(), re.MULTILINE)
    assert set(named) <= {name for name, _ in TARGETS}

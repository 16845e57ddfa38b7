"""What the documents link to is there. Links between pages of the handbook are for ``make docs``."""

import re
from pathlib import Path

import pytest

from tests.support.documents.blocks import PAGES
from tests.support.documents.running import name_of
from tests.support.servers import PROJECT

DOCUMENTS = [*PAGES, PROJECT / "SECURITY.md", PROJECT / "CHANGELOG.md"]
LINKS = [
    (document, path)
    for document in DOCUMENTS
    for path in sorted(set(re.findall(r"\]\((?!https?:|mailto:)([^)#]+)[^)]*\)", document.read_text())))
]
_PATH = re.compile(r"`([\w.]+/[\w./-]+\.(?:py|yaml|yml|json|md|csv))`")
PATHS = [
    (document, path)
    for document in [*PAGES, PROJECT / "SECURITY.md"]
    for path in sorted(set(_PATH.findall(document.read_text())))
]
PROMISES = re.findall(r"^\| \*\*.*$", (PROJECT / "docs/explanation/audit-log.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("document", "path"), LINKS, ids=[f"{name_of(document)}: {path}" for document, path in LINKS]
)
def test_a_file_that_a_document_links_to_is_there(document: Path, path: str) -> None:
    assert (document.parent / path).exists()


@pytest.mark.parametrize(
    ("document", "path"), PATHS, ids=[f"{name_of(document)}: {path}" for document, path in PATHS]
)
def test_a_file_that_a_document_names_is_there(document: Path, path: str) -> None:
    assert any((folder / path).exists() for folder in (PROJECT, PROJECT / "tests", document.parent))


def test_each_promise_of_the_audit_log_names_what_proves_it() -> None:
    assert len(PROMISES) >= 10
    unproven = [promise for promise in PROMISES if not re.search(r"\w+/\w+\.py", promise)]
    assert unproven == []


def test_the_readme_is_one_screen() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 120

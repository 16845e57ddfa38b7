"""Every variable that the documents name exists."""

import re
from pathlib import Path

import pytest

from service.settings import PREFIX, Settings
from tests.support.documents.blocks import PAGES
from tests.support.servers import PROJECT

SETTINGS = {PREFIX + name.upper() for name in Settings.model_fields}
SCRIPTS = [PROJECT / "Makefile", *(PROJECT / "deploy").rglob("*"), *(PROJECT / ".ci").rglob("*")]
NAMED = re.compile(rf"{PREFIX}[A-Z0-9_]*[A-Z0-9]")


def names_in(path: Path) -> set[str]:
    return set(NAMED.findall(path.read_text(errors="ignore")))


@pytest.mark.parametrize("page", PAGES, ids=[path.relative_to(PROJECT).as_posix() for path in PAGES])
def test_a_page_names_only_variables_that_the_service_or_a_script_reads(page: Path) -> None:
    of_scripts = {name for path in SCRIPTS if path.is_file() for name in names_in(path)}
    assert names_in(page) - SETTINGS - of_scripts == set()

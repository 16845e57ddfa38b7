"""The page on performance repeats only figures that a run has written into load_tests/results."""

import re

import pytest

from tests.support.servers import PROJECT

PAGE = (PROJECT / "docs" / "explanation" / "performance.md").read_text()
RESULTS = "\n".join(page.read_text() for page in (PROJECT / "load_tests" / "results").glob("*.md"))
FIGURES = sorted(set(re.findall(r"\b\d{1,3}(?:,\d{3})+\b", PAGE)))


def test_the_page_has_figures() -> None:
    assert len(FIGURES) > 10


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_that_of_a_run(figure: str) -> None:
    assert re.search(rf"(?<![\d,]){figure}(?![\d,])", RESULTS)

"""What the runbook and the page on monitoring say is so."""

import re

import pytest

from service.routes import LABELS
from service.settings import PREFIX, Settings
from tests.support import expressions
from tests.support.prometheus import rules
from tests.support.servers import PROJECT

HOW_TO = PROJECT / "docs" / "how-to"
RUNBOOK, PAGE = ((HOW_TO / name).read_text() for name in ("runbook.md", "monitoring.md"))


def test_the_page_has_every_alert_with_what_it_waits_for() -> None:
    rows = [
        f"| `{name}` | {alert['labels']['severity']} | {alert.get('for', 'nothing')} |"
        for name, alert in rules("alert").items()
    ]
    assert "\n".join(rows) in PAGE


@pytest.mark.parametrize("text", [RUNBOOK, PAGE], ids=["runbook", "page"])
def test_what_is_named_exists(text: str) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | {"TABENTO_IMAGE"}
    assert set(re.findall(r"TABENTO_[A-Z_]+", text)) <= known
    for path in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (HOW_TO / path).exists(), path
    for path in re.findall(r"`(/[a-z/]+)[`?]", text):
        assert path in LABELS
    headings = {
        heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", RUNBOOK + PAGE, re.M)
    }
    assert set(re.findall(r"#([\w-]+)\)", text)) <= headings


def test_the_panels_that_the_runbook_sends_to_are_on_the_dashboard() -> None:
    severities = {"Page", "page", "Page.", "Page, at once.", "Ticket", "Ticket."}
    elsewhere = {"Status, Targets"}
    titles = {panel["title"] for panel in expressions.panels()}
    named = set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", RUNBOOK)) - severities
    assert named - elsewhere <= titles
    assert len(named & titles) > 5

import json
from datetime import timedelta

import pytest

from service.monitoring.evidence.assess_evidence import assess_evidence
from service.monitoring.evidence.evidence_state import EvidenceState, RoleCounts, ShadowCounts, no_rows
from service.monitoring.evidence.evidence_text import evidence_brief, evidence_text
from tests.support.monitoring.evidence_states import (
    SINCE,
    TRAFFIC,
    pairs_of,
    release_of,
    routed_state,
    shadow_state,
    share_right,
)

BETTER = shadow_state(pairs_of(80, 30, 2_000))
WORSE = shadow_state(pairs_of(30, 90, 2_000))


def text_of(state: EvidenceState) -> str:
    return evidence_text(assess_evidence(state, SINCE + timedelta(hours=5)))


@pytest.mark.parametrize(
    ("state", "command"),
    [
        (BETTER, "promote"),
        (WORSE, "rollback"),
        (routed_state(no_rows(), no_rows(), champion=TRAFFIC._replace(keys=1)), "rollback"),
        (shadow_state(release=release_of(is_fallback=True, policy=BETTER.release.policy)), None),
        (shadow_state(), None),
    ],
)
def test_the_command_to_type_stands_at_the_end(state: EvidenceState, command: str | None) -> None:
    last = text_of(state).splitlines()[-1]
    if command is None:
        assert "python -m" not in last
    else:
        assert last == f'  python -m service.releases {command} --reason "..."'


def test_the_difference_is_shown_with_its_interval_from_the_first_label_on() -> None:
    lines = text_of(shadow_state(pairs_of(1, 0, 1))).splitlines()
    accuracy = next(line for line in lines if line.startswith("  accuracy"))
    assert accuracy.split() == ["accuracy", "0.000", "1.000", "+1.0000", "[-0.9868,", "+1.0000]", "1"]


def test_figures_stand_below_their_names() -> None:
    lines = text_of(BETTER).splitlines()
    place = next(place for place, line in enumerate(lines) if "interval" in line)
    start = lines[place].index("interval")
    assert all(lines[place + row][start] == "[" for row in (1, 2, 3))


def test_a_figure_that_does_not_exist_is_not_shown() -> None:
    empty = shadow_state(champion=RoleCounts(), challenger=RoleCounts(), shadow=ShadowCounts())
    text = text_of(empty)
    assert "None" not in text
    assert "nan" not in text
    assert "Guardrails" not in text
    assert "Without labels" not in text
    assert "Wait. The challenger has answered no request yet." in text


def test_a_release_of_one_model_says_so_in_a_few_lines() -> None:
    assert len(text_of(shadow_state(release=release_of("single"))).splitlines()) < 5


def test_a_broken_guardrail_is_marked_and_is_the_reason() -> None:
    state = routed_state(share_right(0.9, 900), no_rows(), challenger=TRAFFIC._replace(failed_requests=900))
    text = text_of(state)
    assert "BROKEN" in text
    assert text.count("Points more of the requests fail: +4.31 [+3.62, +5.00]; the limit is +1.00.") == 2


def test_names_from_outside_do_not_steer_the_terminal() -> None:
    shadow = ShadowCounts(9, 9, 3, 0.0, 1.0, (("\x1b[31mred", "a\nb", 3),))
    text = text_of(shadow_state(shadow=shadow))
    assert "\x1b" not in text
    assert "a b: 3 rows" in text


def test_the_brief_for_the_ledger_is_small_json() -> None:
    brief = evidence_brief(assess_evidence(BETTER, SINCE))
    assert set(brief) == {
        "metric", "difference", "low", "high", "labelled", "read_upto_id", "action", "reasons",
    }  # fmt: skip
    assert brief["action"] == "promote"
    assert brief["labelled"] == 2_000
    assert len(json.dumps(brief, allow_nan=False)) < 1_000


def test_the_brief_of_a_release_without_labels_says_what_is_missing() -> None:
    brief = evidence_brief(assess_evidence(shadow_state(), SINCE))
    assert brief["low"] is None
    assert brief["reasons"] == ["No row that both models predicted has a label yet."]

"""What a change makes of a release: one challenger at a time, and a way back to the former champion."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.errors import ReleaseMisuse
from service.model.release.release import Policy, Release
from service.releases.next_release import challenged, first_release, promoted, rolled_back, stopped
from tests.support.releases import FIRST, SECOND, THIRD

TAGS = (FIRST, SECOND, THIRD)


class Releases(RuleBasedStateMachine):
    """Changes in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.present = first_release(FIRST)
        self.ids = {self.present.release_id}

    def follow(self, after: Release) -> None:
        assert after.release_id not in self.ids
        assert after.since_utc >= self.present.since_utc
        self.ids.add(after.release_id)
        self.present = after

    @rule(tag=st.sampled_from(TAGS), share=st.floats(0, 1), is_forced=st.booleans())
    def try_a_canary(self, tag: str, share: float, is_forced: bool) -> None:
        before = self.present
        is_same = tag == before.challenger and not before.is_fallback
        if tag == before.champion or not (is_same or is_forced or before.challenger is None):
            with pytest.raises(ReleaseMisuse):
                challenged(before, tag, "canary", share=share, may_replace=is_forced)
            return
        self.follow(challenged(before, tag, "canary", share=share, may_replace=is_forced))
        assert (self.present.challenger, self.present.share) == (tag, share)
        assert (self.present.salt == before.salt) == (is_same and before.salt != "")

    @precondition(lambda self: self.present.challenger is None or self.present.is_fallback)
    @rule()
    def promote_nothing(self) -> None:
        with pytest.raises(ReleaseMisuse):
            promoted(self.present)

    @precondition(lambda self: self.present.challenger is not None and not self.present.is_fallback)
    @rule()
    def promote(self) -> None:
        before = self.present
        self.follow(promoted(before))
        assert self.present.champion == before.challenger
        assert self.present.challenger == self.present.previous == before.champion
        assert (self.present.mode, self.present.is_fallback) == ("shadow", True)

    @rule()
    def roll_back(self) -> None:
        before = self.present
        has_trial = before.challenger is not None and not before.is_fallback
        if not has_trial and before.previous is None:
            with pytest.raises(ReleaseMisuse):
                rolled_back(before)
            return
        self.follow(rolled_back(before))
        assert self.present.champion == (before.champion if has_trial else before.previous)
        assert self.present.mode == "single"

    @precondition(lambda self: self.present.challenger is not None)
    @rule()
    def stop(self) -> None:
        before = self.present
        self.follow(stopped(before))
        assert (self.present.champion, self.present.previous) == (before.champion, before.previous)
        assert self.present.mode == "single"

    @invariant()
    def a_release_is_read_as_it_is_written(self) -> None:
        assert Release.model_validate_json(self.present.model_dump_json()) == self.present


Releases.TestCase.settings = settings(max_examples=50, stateful_step_count=20)
TestReleases = Releases.TestCase


def test_what_is_not_given_stays_with_the_same_challenger() -> None:
    policy = Policy(margin=0.05)
    shadow = challenged(first_release(FIRST), SECOND, "shadow", policy=policy)
    canary = challenged(shadow, SECOND, "canary", share=0.1, key="request")
    more = challenged(canary, SECOND, "ab")
    assert (more.policy, more.key, more.salt) == (policy, "request", canary.salt)
    assert (canary.share, more.share) == (0.1, 0.5)
    other = challenged(more, THIRD, "canary", may_replace=True)
    assert (other.policy, other.key, other.share) == (Policy(), "subject", 0.05)


def test_without_hours_of_fallback_the_former_champion_is_known_and_not_loaded() -> None:
    trial = challenged(first_release(FIRST), SECOND, "shadow", policy=Policy(fallback_hours=0))
    after = promoted(trial)
    assert (after.mode, after.previous, after.tags) == ("single", FIRST, (SECOND,))
    assert rolled_back(after).champion == FIRST

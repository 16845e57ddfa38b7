"""Whatever persons, workers and labels do, in any order: all workers serve what the ledger states, no other.

The workers are watches of real files in this process; each takes one look when it is its turn. A worker dies
by losing its lock, as the kernel has it with a killed one. Labels arrive for pairs of both models, and the
automatic changes follow the evidence on them.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from service.audit.act import SERVICE, Actor, make_act
from service.audit.query.acts import LoggedAct, logged_acts
from service.audit.write.single_act import append_act
from service.errors import ModelUnusable, ReleaseChanged, ReleaseMisuse
from service.model.release.release import Release, single
from service.monitoring.evidence.assess_evidence import assess_evidence
from service.monitoring.evidence.evidence_state import (
    EvidenceState,
    ModelRows,
    PairedRows,
    RoleCounts,
    ShadowCounts,
    no_rows,
)
from service.releases.agreement import Agreement
from service.releases.auto_release import AutoRelease
from service.releases.live_workers import Membership
from service.releases.made_change import make_change
from service.releases.next_release import challenged, new_id, promoted, rolled_back, stopped
from service.releases.present_release import Present, present_release
from service.releases.release_watch import ReleaseWatch
from service.settings import Settings
from tests.support.audit.logs import write
from tests.support.releases import FIRST, NAME, SECOND, THIRD

PERSON = Actor("eve", "shell", "eve")
BROKEN = f"{NAME}:broken"
MODELS = st.sampled_from([FIRST, SECOND, THIRD, BROKEN])


@dataclass
class Worker:
    """A worker that looks when it is told to."""

    watch: ReleaseWatch[Release]
    membership: Membership
    served: Release
    served_before: list[str] = field(default_factory=list)


class ReleaseMachine(RuleBasedStateMachine):
    """A service of up to three workers, and the people and labels around it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.settings = Settings(audit_db=Path(self.folder.name) / "audit.db", releases_auto="full")
        write(self.settings.audit_db)
        append_act(self.settings.audit_db, make_act("start", SERVICE, {"model": FIRST}))
        self.auto = AutoRelease(self.settings)
        self.workers: list[Worker] = []
        self.pairs: dict[str, list[tuple[bool, bool]]] = {}
        self.automatic: list[str] = []
        """Changes by evidence."""

    @property
    def present(self) -> Present:
        return present_release(self.settings, NAME)

    @property
    def acts(self) -> list[LoggedAct]:
        return [*logged_acts(self.settings.audit_db, kind="release")]

    @initialize(count=st.integers(1, 3))
    def start_service(self, count: int) -> None:
        for _ in range(count):
            self._start_worker()

    @precondition(lambda self: len(self.workers) < 3)
    @rule()
    def a_worker_starts(self) -> None:
        self._start_worker()

    @precondition(lambda self: len(self.workers) > 1)
    @rule(place=st.integers(0, 2))
    def a_worker_dies(self, place: int) -> None:
        worker = self.workers.pop(place % len(self.workers))
        os.close(worker.membership._descriptor)  # Its lock goes with it; its votes and its name stay.

    @rule(place=st.integers(0, 2))
    def a_worker_looks(self, place: int) -> None:
        self.workers[place % len(self.workers)].watch.refresh()

    @rule(model=MODELS, mode=st.sampled_from(["shadow", "canary", "ab"]), may_replace=st.booleans())
    def a_person_tries_a_model(self, model: str, mode: str, may_replace: bool) -> None:
        self._change(
            mode,
            lambda before: challenged(before, model, mode, may_replace=may_replace),  # type: ignore[arg-type]
        )

    @rule()
    def a_person_promotes(self) -> None:
        self._change("promote", promoted)

    @rule()
    def a_person_rolls_back(self) -> None:
        self._change("rollback", rolled_back)

    @rule()
    def a_person_stops_the_trial(self) -> None:
        self._change("stop", stopped)

    @rule(
        right=st.integers(200, 600),
        only_champion=st.sampled_from([0, 3, 90]),
        only_challenger=st.sampled_from([0, 3, 90]),
    )
    def labels_arrive_in_shadow(self, right: int, only_champion: int, only_challenger: int) -> None:
        self._settle()
        if self.present.base.mode != "shadow":
            self._change("shadow", lambda before: challenged(before, THIRD, "shadow", may_replace=True))
            self._settle()
        accepted = self.present.accepted
        if accepted is None or accepted.release.mode != "shadow":
            return  # The champion is the third model.
        release = accepted.release
        pairs = self.pairs.setdefault(release.release_id, [])
        pairs += [(True, True)] * right + [(True, False)] * only_champion + [(False, True)] * only_challenger
        now = datetime.now(UTC)
        evidence = assess_evidence(state_of(release, pairs), now)
        before = len(self.acts)
        self.auto.consider(evidence, now)
        automatic = self.acts[before:]
        assert len(automatic) <= 1
        if automatic:
            assert evidence.action in ("promote", "roll_back")
            assert automatic[0].actor == "service"
            self.automatic.append(evidence.action)

    @rule()
    def all_workers_look_until_nothing_changes(self) -> None:
        self._settle()
        served = {worker.served.release_id for worker in self.workers if worker.served_before}
        accepted = self.present.accepted
        assert served == (set() if accepted is None else {accepted.release.release_id})

    @invariant()
    def every_served_release_is_in_the_ledger_and_holds_no_model_that_does_not_load(self) -> None:
        in_force = [act.detail["release"] for act in self.acts if act.detail["action"] == "in_force"]
        ids = [release["release_id"] for release in in_force if isinstance(release, dict)]
        assert len(ids) == len(set(ids))
        for worker in self.workers:
            assert set(worker.served_before) <= set(ids)
            assert BROKEN not in worker.served.tags

    @invariant()
    def a_release_in_force_was_wanted_by_an_act_before_it(self) -> None:
        wanted: set[object] = set()
        for act in self.acts:
            release = act.detail["release"]
            assert isinstance(release, dict)
            if act.detail["action"] in ("in_force", "refused"):
                assert release["release_id"] in wanted
            else:
                wanted.add(release["release_id"])

    def teardown(self) -> None:
        if self.workers:
            self._settle()
        for worker in self.workers:
            worker.watch.close()
        self.folder.cleanup()

    def _settle(self) -> None:
        for _ in range(4):
            for worker in self.workers:
                worker.watch.refresh()

    def _start_worker(self) -> None:
        places = self.present.places
        accepted = Agreement(places.folder, places.log).accepted()
        served = single(FIRST, new_id(), datetime.now(UTC)) if accepted is None else accepted.release

        def load(wanted: Release) -> Release:
            if BROKEN in wanted.tags:
                raise ModelUnusable(BROKEN, "its golden rows differ")
            return wanted

        def take(release: Release) -> None:
            worker.served = release
            worker.served_before.append(release.release_id)

        membership = Membership(places.folder)
        watch: ReleaseWatch[Release] = ReleaseWatch(
            places, membership, served, accepted, load=load, take=take, discard=lambda _: None
        )
        worker = Worker(watch, membership, served, [] if accepted is None else [served.release_id])
        self.workers.append(worker)

    def _change(self, action: str, make: object) -> None:
        present = self.present
        try:
            release = make(present.base)  # type: ignore[operator]
        except ReleaseMisuse:
            return
        with suppress(ReleaseChanged):
            make_change(present, action, release, PERSON, "to see what happens")  # type: ignore[arg-type]


def state_of(release: Release, pairs: list[tuple[bool, bool]]) -> EvidenceState:
    """The state of a release in shadow, of pairs: whether champion and challenger were right."""
    champion, challenger = (
        ModelRows(
            np.arange(len(pairs)),
            np.arange(len(pairs), dtype=np.float64),
            np.array([pair[role] for pair in pairs], dtype=np.bool_),
            np.full(len(pairs), 0.9),
            np.full(len(pairs), np.nan),
            np.full(len(pairs), np.nan),
        )
        for role in (0, 1)
    )
    counts = RoleCounts(requests=len(pairs), rows=len(pairs))
    return EvidenceState(
        release,
        counts,
        counts,
        ShadowCounts(requests=len(pairs), rows=len(pairs)),
        PairedRows(champion, challenger),
        no_rows(),
        no_rows(),
        1,
    )


def test_workers_serve_what_the_ledger_states_whatever_happens() -> None:
    run_state_machine_as_test(
        ReleaseMachine,
        settings=hypothesis_settings(max_examples=25, stateful_step_count=30, deadline=None),
    )


@pytest.mark.parametrize(
    ("only_champion", "only_challenger", "action", "champion"),
    [(90, 0, "roll_back", FIRST), (0, 90, "promote", THIRD)],
)
def test_labels_in_shadow_change_the_release_of_all_workers(
    only_champion: int, only_challenger: int, action: str, champion: str
) -> None:
    """The machine's labels do change something: whether a random run comes to it is up to chance."""
    machine = ReleaseMachine()
    try:
        machine.start_service(3)
        machine.labels_arrive_in_shadow(600, only_champion, only_challenger)
        machine.all_workers_look_until_nothing_changes()
        assert machine.automatic == [action]
        assert {worker.served.champion for worker in machine.workers} == {champion}
        machine.every_served_release_is_in_the_ledger_and_holds_no_model_that_does_not_load()
        machine.a_release_in_force_was_wanted_by_an_act_before_it()
    finally:
        machine.teardown()

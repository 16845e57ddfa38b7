"""Generated histories of models and their records: a replay says of each record what is true."""

import json
import shutil
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from service.audit.keep.redaction import redact
from service.audit.keep.retention import Limits, prune_step
from service.audit.prove.verify import verify
from service.audit.write.logfile import LogFile
from service.model.published import ESTIMATOR_FILE
from service.replay.verdict import FAILURES, Verdict
from tests.support.audit.log_files import copy_log, statements
from tests.support.audit.logs import BY_ADA
from tests.support.replayed_logs import RecordedModel, outcomes_of, replayed
from tests.support.small_models import publish_picky

ROWS = ({"letter": "a"}, {"letter": "b"}, {"instances": [{"letter": "a"}, {"letter": "b"}]})
REFUSED = {"letter": 1}
FAR = datetime(2030, 1, 1, tzinfo=UTC)


class ReplayedHistory(RuleBasedStateMachine):
    """Records of two models are made, redacted and removed, while the models come and go."""

    def __init__(self, store: ModelStore, recorded: dict[str, RecordedModel]) -> None:
        super().__init__()
        self.store, self.recorded = store, recorded
        self.models = Path(store.get(next(iter(recorded))).path).parents[1]
        self.folder = TemporaryDirectory()
        self.db, self.stored = (Path(self.folder.name) / name for name in ("audit.db", "models"))
        self.count = 0
        self.made_by: dict[str, str] = {}
        """The model of each record that the log holds, in its order."""
        self.verdicts: dict[str, Verdict] = {}
        """The verdict on each while its model is stored."""
        self.missing: set[str] = set()

    def teardown(self) -> None:
        BentoMLContainer.model_store.set(self.store)
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        shutil.copytree(self.models, self.stored)
        BentoMLContainer.model_store.set(ModelStore(self.stored))
        LogFile(self.db).close()

    def _path(self, tag: str) -> Path:
        return self.stored / tag.replace(":", "/")

    @rule(data=st.data(), bodies=st.lists(st.sampled_from([*ROWS, REFUSED]), min_size=1, max_size=3))
    def predict(self, data: st.DataObject, bodies: list[dict[str, object]]) -> None:
        """A model that was loaded before it was deleted goes on answering."""
        tag = data.draw(st.sampled_from(sorted(self.recorded)))
        self.recorded[tag].record(self.db, bodies, first=self.count + 1)
        for body in bodies:
            self.count += 1
            verdict = Verdict.REFUSED_AGAIN if body is REFUSED else Verdict.SAME_BITS
            self.made_by[f"r-{self.count}"], self.verdicts[f"r-{self.count}"] = tag, verdict

    @precondition(lambda self: self.made_by)
    @rule(data=st.data())
    def redact(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(sorted(self.made_by)))
        with closing(LogFile(self.db)) as file:
            redact(file, chosen, *BY_ADA, patience_s=0)
        self.verdicts[chosen] = Verdict.REDACTED

    @precondition(lambda self: self.made_by)
    @rule(rows=st.integers(1, 3))
    def prune(self, rows: int) -> None:
        with closing(LogFile(self.db)) as file, file.transaction() as (connection, tail):
            removed = prune_step(connection, tail, Limits(keep_days=0.0), FAR, rows)
        for request_id in [*self.made_by][:removed]:
            del self.made_by[request_id], self.verdicts[request_id]

    @rule(data=st.data())
    def delete_or_change_a_model(self, data: st.DataObject) -> None:
        tag = data.draw(st.sampled_from(sorted(self.recorded)))
        if data.draw(st.booleans()):
            shutil.rmtree(self._path(tag), ignore_errors=True)
        elif tag not in self.missing:
            with (self._path(tag) / ESTIMATOR_FILE).open("ab") as file:
                file.write(b"\0")
        self.missing.add(tag)

    @precondition(lambda self: self.missing)
    @rule(data=st.data())
    def bring_a_model_back(self, data: st.DataObject) -> None:
        tag = data.draw(st.sampled_from(sorted(self.missing)))
        shutil.rmtree(self._path(tag), ignore_errors=True)
        shutil.copytree(self.models / tag.replace(":", "/"), self._path(tag))
        self.missing.remove(tag)

    @precondition(lambda self: Verdict.SAME_BITS in self.expected.values())
    @rule(data=st.data(), share=st.floats(0.6, 0.9))
    def change_an_answer_in_a_copy(self, data: st.DataObject, share: float) -> None:
        """Both the replay and the verification find it."""
        answered = [each for each, verdict in self.expected.items() if verdict is Verdict.SAME_BITS]
        chosen, copy = data.draw(st.sampled_from(answered)), self.db.with_name("copy.db")
        copy_log(self.db, copy)
        with closing(apsw.Connection(str(copy))) as connection:
            was = json.loads(
                connection.execute("SELECT response_json FROM request WHERE request_id = ?", (chosen,)).get
            )
        changed = json.dumps({**was, "probabilities": [[share, 1 - share]] * len(was["predictions"])})
        statements(copy, f"UPDATE request SET response_json = '{changed}' WHERE request_id = '{chosen}'")
        assert self._replayed(copy) == {**self.expected, chosen: Verdict.DIFFERENT}
        assert not verify(copy).ok

    @property
    def expected(self) -> dict[str, Verdict]:
        """The verdict on each record of the log; one that was redacted needs no model."""
        return {
            request_id: Verdict.MODEL_MISSING
            if self.made_by[request_id] in self.missing and verdict is not Verdict.REDACTED
            else verdict
            for request_id, verdict in self.verdicts.items()
        }

    def _replayed(self, db: Path) -> dict[str, Verdict]:
        outcomes = outcomes_of(db)
        return {outcome["request_id"]: Verdict(outcome["verdict"]) for outcome in outcomes}

    @invariant()
    def each_record_has_its_verdict(self) -> None:
        if not self.made_by:
            return
        assert self._replayed(self.db) == self.expected
        done = replayed(self.db, "--all")
        assert done.returncode == bool(FAILURES & {*self.expected.values()})
        assert verify(self.db).ok


def test_whatever_happened_a_replay_says_what_is_true_of_each_record(store: ModelStore) -> None:
    recorded = {tag: RecordedModel(tag) for tag in map(publish_picky, ("first-of-two", "second-of-two"))}
    histories = settings(
        max_examples=10,
        stateful_step_count=15,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    # Any callable that makes one is accepted.
    run_machine(lambda: ReplayedHistory(store, recorded), settings=histories)  # type: ignore[arg-type]

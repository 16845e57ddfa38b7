"""The nightly test's process: ``python -m service.collector.two_sample_process LOG MODELS MODEL_ID``.

The collector starts it. It writes the result as JSON to its output: ``null`` for a model without a sample of
the training table. It ends if its input is closed before that.
"""

import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random, SystemRandom

import bentoml

from service.audit.columns import ANSWERED
from service.audit.file.logged_record import LoggedRecord
from service.audit.utc_text import utc_text
from service.collector.record_rows import RecordRows
from service.collector.two_sample import MOST_ROWS, two_sample
from service.errors import ModelUnusable, StartError
from service.model.contract import Contract, Value
from service.model.published import CONTRACT_FILE
from service.model.stored_profile import read_sample
from service.monitoring.assessment import TwoSample
from service.oip.served_model import ServedNames
from service.replay.recorded import RecordedLog
from service.replay.stored_models import StoredModels
from service.system.parent_death import end_with_parent

PERIOD = timedelta(days=1)
_DRAWN_RECORDS = 2 * MOST_ROWS
"""Some of the log's records are refusals, outcomes, or of another model."""


def run_test(log: Path, models: Path, model_id: str) -> TwoSample | None:
    """The result for the rows of the last day; None without a sample. Raises StartError."""
    since = datetime.now(UTC) - PERIOD
    with closing(RecordedLog(log, utc_text(since))) as recorded:
        found = StoredModels([models]).find(model_id, recorded.cards().get(model_id))
        if found.card is None or found.folder is None:
            raise ModelUnusable(found.note.tag, str(found.note.missing))
        contract = Contract.model_validate_json((found.folder / CONTRACT_FILE).read_bytes())
        sample = read_sample(bentoml.Model.from_path(found.folder), contract)
        if sample is None:
            return None
        seed = SystemRandom().randrange(2**32)
        names = ServedNames(found.card.tag, found.card.model_version)
        received = _received(recorded, RecordRows(contract, names), model_id, seed)
    shown = [place for place, feature in enumerate(contract.features) if not feature.withheld]
    columns = [received[place] for place in shown]
    return two_sample(sample.contract, sample.matrix.T.tolist(), columns, since, seed)


def _received(recorded: RecordedLog, rows: RecordRows, model_id: str, seed: int) -> Sequence[Sequence[Value]]:
    """Random rows of the model, as columns."""
    random = Random(seed)  # noqa: S311 - reproducible, not secret
    chunks = recorded.chunks(recorded.sample(_DRAWN_RECORDS, seed))
    read = [rows.read(_answered(chunk, model_id)) for chunk in chunks]
    parts = [part.counted.columns for part in read if part is not None]
    joined = [[value for part in parts for value in part[place]] for place in range(rows.features)]
    count = len(joined[0])
    chosen = random.sample(range(count), min(count, MOST_ROWS))
    return [[values[place] for place in chosen] for values in joined]


def _answered(chunk: Sequence[LoggedRecord], model_id: str) -> list[LoggedRecord]:
    return [
        record
        for record in chunk
        if record.status == ANSWERED and record.model_id == model_id and record.has_content
    ]


def main() -> int:
    """Run the test, and write the result."""
    end_with_parent(sys.stdin.fileno())
    log, models, model_id = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    try:
        result = run_test(log, models, model_id)
    except (StartError, OSError) as error:
        sys.stderr.write(f"The nightly two-sample test failed: {error}\n")
        return 1
    sys.stdout.write("null" if result is None else result.model_dump_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())

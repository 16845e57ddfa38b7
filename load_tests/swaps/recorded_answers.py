"""What the log says of the answers: each is recorded under the model that gave it."""

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from load_tests.swaps.callers import Answer
from service.audit.columns import ANSWERED
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.routes import PREDICT

_RECORDS = f"""
    SELECT request_id, model_id, CASE WHEN route = '{PREDICT}' THEN response_json END
    FROM request WHERE status = {ANSWERED}
"""  # noqa: S608 - no text from outside


class Comparison(NamedTuple):
    """Answers and records."""

    answers: int
    records: int
    unrecorded: int
    other_model: int
    """Records of another model than the answer states."""
    other_probabilities: int
    """Answers or records with other probabilities than the stated model gives."""

    @property
    def holds(self) -> bool:
        """Whether every answer is recorded, under its model."""
        return not (self.unrecorded or self.other_model or self.other_probabilities)


def compare(
    log: Path, answers: Mapping[str, Answer], expected: Mapping[str, tuple[float, ...]]
) -> Comparison:
    """Compare every answer with its record, and both with what their model gives for the row.

    ``expected`` has the probabilities by model id.
    """
    seen = records = other_model = 0
    wrong = sum(expected[answer.model_id] != answer.probabilities for answer in answers.values())
    with closing(open_for_reading(log)) as connection, errors_as_unusable(log):
        rows: Any = connection.execute(_RECORDS)
        for request_id, model_id, response in rows:
            records += 1
            if response is not None:
                (probabilities,) = json.loads(response)["probabilities"]
                wrong += expected[model_id] != tuple(probabilities)
            if (answer := answers.get(request_id)) is not None:
                seen += 1
                other_model += answer.model_id != model_id
    return Comparison(len(answers), records, len(answers) - seen, other_model, wrong)

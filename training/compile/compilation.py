"""Compile the champion, and compare the compiled form with scikit-learn before it may serve.

It may serve if every label is equal and every probability within the tolerance, on the rows of the table, up
to 100,000 of them, and on random rows of the contract. Any other result does not end the training:
scikit-learn serves then, and the verdict states the reason.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

from service.model.compiled import CompiledForm
from service.model.contract import Contract, Matrix
from service.model.runtime import COMPILED_TOLERANCE, Compilation
from training.compile.conversion import to_onnx
from training.compile.random_rows import random_rows
from training.table.portion import Rows, take
from training.training_errors import ConversionRefused

TABLE_ROWS = 100_000
"""Largest number of rows of the table that are compared; of a larger table a random sample is."""
_TABLE_VALUES = 2_000_000
"""Largest number of their values, which bounds the memory; at least 1,000 rows are compared."""
_TABLE_ROWS_AT_LEAST = 1_000
RANDOM_ROWS = 10_000
RANDOM_VALUES = 1_000_000
"""Largest number of their values."""
BATCHES = (1, 2, 3, 5, 17, 64)
"""Batch sizes in which a row must get the same bits as among all rows."""
ROWS_IN_BATCHES = 200
CALL_ROWS = 1_000

Probabilities = np.ndarray


class AcceptedForm(NamedTuple):
    """A compiled form that may serve."""

    graph: bytes
    """The content of its file."""
    form: CompiledForm
    """Loaded from the graph; its answers become the golden probabilities."""


def compile_champion(
    pipeline: Pipeline, contract: Contract, table: Rows, seed: int
) -> tuple[Compilation, AcceptedForm | None]:
    """The verdict on the compiled form of a fitted pipeline, and the form if it is accepted.

    ``table`` has rows of the training and test splits, of which at most TABLE_ROWS are compared.
    """
    try:
        graph = to_onnx(pipeline, contract)
        compiled = CompiledForm(graph)
        sample = _sample(table, seed)
        n_random = min(RANDOM_ROWS, RANDOM_VALUES // len(contract.features))
        rows = np.concatenate([sample, random_rows(contract, sample, n_random, seed)])
        verdict = compare(pipeline, compiled, rows)
    except ConversionRefused as refused:
        return Compilation(accepted=False, reason=str(refused)), None
    except Exception as error:
        # The converter, ONNX Runtime and the estimator can raise anything; the model is published anyway.
        return Compilation(accepted=False, reason=f"{type(error).__name__}: {error}"), None
    return verdict, AcceptedForm(graph, compiled) if verdict.accepted else None


def _sample(table: Rows, seed: int) -> Matrix:
    n_rows, n_features = table.shape
    most = min(TABLE_ROWS, max(_TABLE_ROWS_AT_LEAST, _TABLE_VALUES // n_features))
    if n_rows > most:
        places = np.random.default_rng(seed).choice(n_rows, most, replace=False)
        table = take(table, np.sort(places))
    return np.asarray(table)


def compare(pipeline: Pipeline, compiled: CompiledForm, rows: Matrix) -> Compilation:
    """The verdict on a compiled form, from the answers of both forms to the same rows."""
    answered, expected = _sklearn_answers(pipeline, rows)
    got = compiled.predict_proba(answered)
    labels_differ = int((got.argmax(axis=1) != expected.argmax(axis=1)).sum())
    difference = float(np.abs(got - expected).max())
    reason = None
    if labels_differ:
        reason = f"{labels_differ} of {len(answered)} rows got a different label"
    elif not difference <= COMPILED_TOLERANCE:
        reason = f"a probability differs by {difference:.1g}"
    return Compilation(
        accepted=reason is None,
        reason=reason,
        compiler=compiled.name,
        rows=len(answered),
        labels_equal=not labels_differ,
        largest_difference=difference,
        row_independent=_is_row_independent(compiled, answered, got),
    )


def _sklearn_answers(pipeline: Pipeline, rows: Matrix) -> tuple[Matrix, Probabilities]:
    """The rows that scikit-learn accepts, and its probabilities."""
    parts = list(_answered_parts(pipeline, rows))
    return np.concatenate([part for part, _ in parts]), np.concatenate([answer for _, answer in parts])


def _answered_parts(pipeline: Pipeline, rows: Matrix) -> Iterator[tuple[Matrix, Probabilities]]:
    for start in range(0, len(rows), CALL_ROWS):
        yield from _answered_halves(pipeline, rows[start : start + CALL_ROWS])


def _answered_halves(pipeline: Pipeline, rows: Matrix) -> Iterator[tuple[Matrix, Probabilities]]:
    # A forest rejects numbers that overflow 32 bits after scaling, and one such row fails its whole batch.
    try:
        with np.errstate(over="ignore"):
            answer = pipeline.predict_proba(rows)
        yield rows, answer
    except ValueError:
        half = len(rows) // 2
        if half:
            yield from _answered_halves(pipeline, rows[:half])
            yield from _answered_halves(pipeline, rows[half:])


def _is_row_independent(compiled: CompiledForm, rows: Matrix, together: Probabilities) -> bool:
    sample = rows[-ROWS_IN_BATCHES:]
    expected = together[-ROWS_IN_BATCHES:]
    return all(
        np.array_equal(compiled.predict_proba(sample[start : start + size]), expected[start : start + size])
        for size in BATCHES
        for start in range(0, len(sample), size)
    )

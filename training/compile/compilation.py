"""The champion is compiled, and the compiled form is held against scikit-learn before it may serve.

It may if every label is equal and every probability within the tolerance, on the whole table and on random
rows of the contract. Whatever else comes of it is no reason to end a training: scikit-learn serves then,
and the verdict says why.
"""

from collections.abc import Iterator

import numpy as np
from sklearn.pipeline import Pipeline

from service.model.compiled import CompiledForm
from service.model.contract import Contract, Matrix
from service.model.runtime import COMPILED_TOLERANCE, Compilation
from training.compile.conversion import to_onnx
from training.compile.random_rows import random_rows
from training.training_errors import ConversionRefused

RANDOM_ROWS = 10_000
BATCHES = (1, 2, 3, 5, 17, 64)
"""Sizes of batches in which rows must get the bits that they get among all."""
ROWS_IN_BATCHES = 200
CALL_ROWS = 1_000

Probabilities = np.ndarray


def compile_champion(
    pipeline: Pipeline, contract: Contract, table: Matrix, seed: int
) -> tuple[Compilation, bytes | None]:
    """The verdict on the compiled form of a fitted pipeline, and the form if it was accepted.

    ``table`` has all rows ``(n_rows, n_features)`` that the pipeline was fitted to or judged by.
    """
    try:
        graph = to_onnx(pipeline, contract)
        compiled = CompiledForm(graph)
        rows = np.concatenate([table, random_rows(contract, table, RANDOM_ROWS, seed)])
        verdict = compare(pipeline, compiled, rows)
    except ConversionRefused as refused:
        return Compilation(accepted=False, reason=str(refused)), None
    except Exception as error:
        # Two compilers' and any estimator's errors: none of them is to cost a training its model.
        return Compilation(accepted=False, reason=f"{type(error).__name__}: {error}"), None
    return verdict, graph if verdict.accepted else None


def compare(pipeline: Pipeline, compiled: CompiledForm, rows: Matrix) -> Compilation:
    """The verdict on a compiled form, from rows that both forms are asked."""
    answered, expected = _answers(pipeline, rows)
    got = compiled.predict_proba(answered)
    labels_differ = int((got.argmax(axis=1) != expected.argmax(axis=1)).sum())
    difference = float(np.abs(got - expected).max())
    reason = None
    if labels_differ:
        reason = f"{labels_differ} of {len(answered)} rows got another label"
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


def _answers(pipeline: Pipeline, rows: Matrix) -> tuple[Matrix, Probabilities]:
    """The rows that scikit-learn answers, and what it answers."""
    parts = list(_answered_parts(pipeline, rows))
    return np.concatenate([part for part, _ in parts]), np.concatenate([answer for _, answer in parts])


def _answered_parts(pipeline: Pipeline, rows: Matrix) -> Iterator[tuple[Matrix, Probabilities]]:
    for start in range(0, len(rows), CALL_ROWS):
        yield from _answered_halves(pipeline, rows[start : start + CALL_ROWS])


def _answered_halves(pipeline: Pipeline, rows: Matrix) -> Iterator[tuple[Matrix, Probabilities]]:
    # A forest refuses numbers that its 32 bits do not hold once they are scaled; one such fails its batch.
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
    asked = rows[-ROWS_IN_BATCHES:]
    expected = together[-ROWS_IN_BATCHES:]
    return all(
        np.array_equal(compiled.predict_proba(asked[start : start + size]), expected[start : start + size])
        for size in BATCHES
        for start in range(0, len(asked), size)
    )

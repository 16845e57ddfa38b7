"""The classifier two-sample test: whether a classifier can tell received rows from rows of training.

It finds what single columns do not show, such as two columns that no longer belong together. Rows of both
kinds are split into halves. A classifier that is fitted to one half scores the other. The area under the ROC
curve is the probability that a received row scores above a row of training: 0.5 if it cannot tell them apart.
Its significance is that of the Mann-Whitney test, in which no row is scored by a classifier that was fitted
to it (D. Lopez-Paz and M. Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier

from service.model.contract import Contract, Feature, Value
from service.model.text_field import WHITESPACE
from service.monitoring.assessment import TwoSample, Verdict

LEAST_ROWS = 200
"""Of each kind, below which there is no figure: the AUC then has a standard error of 0.03."""
MOST_ROWS = 2_000
"""Of each kind."""
LEAST_AUC = 0.6
"""From here on, the difference is large enough for an alarm."""
LARGEST_P_VALUE = 0.001

_MOST_CATEGORIES = 200
"""Above, the codes of a category are taken as a number: the classifier has bins for 255."""
_SHOWN_COLUMNS = 3
_LEAST_DROP = 0.01
"""Of the AUC, by which a column counts as used."""

Floats = NDArray[np.float64]
Columns = Sequence[Sequence[Value]]


class _Half(NamedTuple):
    matrix: Floats
    is_received: NDArray[np.bool_]


class _Scored(NamedTuple):
    auc: float
    z: float
    drops: Floats
    """By how much the AUC is lower if the values of a column are shuffled."""


def two_sample(
    contract: Contract, training: Columns, received: Columns, since: datetime, seed: int
) -> TwoSample:
    """The result for rows as columns of the contract's features; at most MOST_ROWS of each kind are used."""
    places = [place for place, feature in enumerate(contract.features) if feature.date_type is None]
    features = [contract.features[place] for place in places]
    random = np.random.default_rng(seed)
    before, now = (
        _some(random, _matrix(features, [columns[place] for place in places]))
        for columns in (training, received)
    )
    if not features or min(len(before), len(now)) < LEAST_ROWS:
        return _result(since, before, now, "insufficient")
    halves = _halves(random, before, now)
    masks = [
        feature.type == "category" and len(feature.categories) <= _MOST_CATEGORIES for feature in features
    ]
    scored = [_score(halves[place], halves[1 - place], masks, seed + place) for place in range(2)]
    auc = float(np.mean([half.auc for half in scored]))
    p_value = float(norm.sf(sum(half.z for half in scored) / np.sqrt(2)))
    drops = np.mean([half.drops for half in scored], axis=0)
    used = [features[place].name for place in np.argsort(-drops) if drops[place] >= _LEAST_DROP]
    verdict: Verdict = "drifting" if auc >= LEAST_AUC and p_value <= LARGEST_P_VALUE else "stable"
    found = _result(since, before, now, verdict)
    columns = tuple(used[:_SHOWN_COLUMNS])
    return found.model_copy(
        update={"auc": auc, "p_value": p_value, "columns": columns, "text": _text(verdict, auc, columns)}
    )


def _result(since: datetime, before: Floats, now: Floats, verdict: Verdict) -> TwoSample:
    return TwoSample(
        finished_utc=datetime.now(UTC),
        since_utc=since,
        training_rows=len(before),
        received_rows=len(now),
        verdict=verdict,
    )


def _text(verdict: Verdict, auc: float, columns: Sequence[str]) -> str:
    if verdict != "drifting":
        return ""
    text = (
        f"a classifier tells the rows of the last day from rows of training: it puts {auc:.0%} of pairs in "
        "the right order, where 50% is chance"
    )
    return f"{text}; it uses {', '.join(columns)} most" if columns else text


def _some(random: np.random.Generator, matrix: Floats) -> Floats:
    return matrix[random.permutation(len(matrix))[:MOST_ROWS]]


def _halves(random: np.random.Generator, before: Floats, now: Floats) -> tuple[_Half, _Half]:
    halves = []
    for place in range(2):
        parts = before[place::2], now[place::2]
        is_received = np.repeat([False, True], [*map(len, parts)])
        order = random.permutation(len(is_received))
        halves.append(_Half(np.concatenate(parts)[order], is_received[order]))
    return halves[0], halves[1]


def _score(fitted: _Half, held_out: _Half, are_categories: Sequence[bool], seed: int) -> _Scored:
    classifier = HistGradientBoostingClassifier(
        max_iter=60,
        max_leaf_nodes=15,
        categorical_features=are_categories,
        early_stopping=False,
        class_weight="balanced",
        random_state=seed,
    )
    classifier.fit(fitted.matrix, fitted.is_received)
    is_received = held_out.is_received
    auc, error = auc_of(classifier.predict_proba(held_out.matrix)[:, 1], is_received)
    random = np.random.default_rng(seed)
    drops = []
    for place in range(held_out.matrix.shape[1]):
        shuffled = held_out.matrix.copy()
        random.shuffle(shuffled[:, place])
        drops.append(auc - auc_of(classifier.predict_proba(shuffled)[:, 1], is_received)[0])
    return _Scored(auc, (auc - 0.5) / error, np.array(drops))


def auc_of(scores: Floats, is_received: NDArray[np.bool_]) -> tuple[float, float]:
    """The AUC, and its standard error if there is no difference; ties count half (Mann-Whitney's U)."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    n, m = int(is_received.sum()), int((~is_received).sum())
    total = n + m
    auc = (ranks[is_received].sum() - n * (n + 1) / 2) / (n * m)
    ties = float((counts.astype(np.float64) ** 3 - counts).sum()) / (total * (total - 1))
    variance = (total + 1 - ties) / (12 * n * m)
    return float(auc), float(np.sqrt(variance)) or 1.0


def _matrix(features: Sequence[Feature], columns: Columns) -> Floats:
    found = [
        _codes(feature, values) if feature.type == "category" else np.array(values, dtype=np.float64)
        for feature, values in zip(features, columns, strict=True)
    ]
    return np.stack(found, axis=1) if found else np.zeros((0, 0))


def _codes(feature: Feature, values: Sequence[Value]) -> Floats:
    """The places of categories; all others have the place after the last one."""
    places = {name: place for place, name in enumerate(feature.categories)}
    texts = [value.strip(WHITESPACE) if isinstance(value, str) else None for value in values]
    codes = [places.get(text, len(places)) if text else None for text in texts]
    return np.array(codes, dtype=np.float64)

"""Convert a fitted pipeline to an ONNX graph, step by step as ``candidates/built_in.py`` composes it.

All steps compute in 64-bit floats and in scikit-learn's order, so that the results are equal to the last
bits. An unknown step is rejected, never approximated. ``compilation.py`` checks whether the graph is right.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.base import ClassifierMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from service.model.calendar_features import calendar_features, columns_of
from service.model.calibration import CalibratedClassifier
from service.model.compiled import Coding, Dates, Layout
from service.model.contract import Contract, FeatureType
from training.candidates.row_preparation import CATEGORIES, NUMBERS
from training.compile import trees
from training.compile.category_codes import ENCODERS, codings
from training.compile.onnx_graph import DOUBLE, Graph, Tensor
from training.training_errors import ConversionRefused

_MOST_NEIGHBOURS_VALUES = 100_000
"""Up to so many values of the neighbours, rows times columns, the graph is faster than scikit-learn."""


def to_onnx(pipeline: Pipeline, contract: Contract) -> bytes:
    """The graph of a fitted pipeline from rows of the contract to probabilities.

    Raises ConversionRefused if a step is unknown.
    """
    graph = Graph()
    preparation = _Preparation(graph, contract)
    *steps, (_, classifier) = pipeline.steps
    columns = range(len(contract.features))
    rows = preparation.prepared(Pipeline(steps) if steps else None, columns)
    probabilities = _classified(graph, rows, classifier)
    classes = tuple(classifier.classes_.tolist())
    layout = Layout(
        numbers=preparation.numbers,
        dates=preparation.dates,
        categories=tuple(preparation.categories),
        classes=classes,
    )
    return graph.write(probabilities, layout)


class _Preparation:
    """The part of a graph before the classifier."""

    def __init__(self, graph: Graph, contract: Contract) -> None:
        self._graph = graph
        self.numbers = _positions(contract, *NUMBERS)
        self.dates = tuple(_dates(contract))
        self.categories: list[Coding] = []
        self._input_columns = {position: [place] for place, position in enumerate(self.numbers)}
        width = len(self.numbers)
        for dates in self.dates:
            for position in dates.positions:
                end = width + columns_of(dates.with_hour)
                self._input_columns[position], width = list(range(width, end)), end
        categories = len(_positions(contract, *CATEGORIES))
        self._input_width = width
        self._number_input = graph.numbers(width) if width else None
        self._code_input = graph.codes(categories) if categories else None

    def prepared(self, step: TransformerMixin | None, columns: Sequence[int]) -> Tensor:
        """The output of a step for columns of the contract, ``(n_rows, n_outputs)``."""
        steps = _flat(step)
        if len(steps) == 1 and isinstance(steps[0], ColumnTransformer):
            blocks = [
                self.prepared(block, positions)
                for _, block, positions in steps[0].transformers_
                if not isinstance(block, str)
            ]
            return self._graph.add("Concat", *blocks, axis=1)
        if steps and isinstance(steps[-1], ENCODERS):
            return self._encoded(steps, columns)
        return self._scaled(steps, columns)

    def _scaled(self, steps: Sequence[TransformerMixin], columns: Sequence[int]) -> Tensor:
        graph = self._graph
        known = self.numbers
        if steps and isinstance(steps[0], FunctionTransformer):
            known = self._calendar_positions(steps[0])
            steps = steps[1:]
        if self._number_input is None or not set(columns) <= set(known):
            raise ConversionRefused("a category or a date as a number")
        rows = self._number_input
        places = [place for column in columns for place in self._input_columns[column]]
        if places != list(range(self._input_width)):
            rows = graph.add("Gather", rows, graph.constant(places), axis=1)
        for step in steps:
            if isinstance(step, SimpleImputer):
                rows = self._filled(step, rows)
            elif isinstance(step, StandardScaler) and step.with_mean and step.with_std:
                centred = graph.add("Sub", rows, graph.constant(step.mean_))
                rows = graph.add("Div", centred, graph.constant(step.scale_))
            else:
                raise ConversionRefused(repr(step))
        return rows

    def _calendar_positions(self, step: FunctionTransformer) -> tuple[int, ...]:
        """The positions of the dates whose calendar features the step computes."""
        for dates in self.dates:
            about = {"reference_day": dates.reference_day, "with_hour": dates.with_hour}
            if step.func is calendar_features and step.kw_args == about:
                return dates.positions
        raise ConversionRefused(repr(step))

    def _filled(self, imputer: SimpleImputer, rows: Tensor) -> Tensor:
        graph = self._graph
        is_missing = graph.add("IsNaN", rows)
        filled = graph.add("Where", is_missing, graph.constant(imputer.statistics_.astype(np.float64)), rows)
        if not imputer.add_indicator:
            return filled
        indicator = graph.add("Gather", is_missing, graph.constant(imputer.indicator_.features_), axis=1)
        return graph.add("Concat", filled, graph.add("Cast", indicator, to=DOUBLE), axis=1)

    def _encoded(self, steps: Sequence[TransformerMixin], columns: Sequence[int]) -> Tensor:
        graph = self._graph
        if self._code_input is None:
            raise ConversionRefused("a number as a category")
        blocks = []
        for coding, table in codings(steps, columns):
            place = len(self.categories)
            self.categories.append(coding)
            codes = graph.add("Gather", self._code_input, graph.constant(np.int64(place)), axis=1)
            blocks.append(graph.add("Gather", graph.constant(table), codes, axis=0))
        return blocks[0] if len(blocks) == 1 else graph.add("Concat", *blocks, axis=1)


def _positions(contract: Contract, *types: FeatureType) -> tuple[int, ...]:
    return tuple(place for place, feature in enumerate(contract.features) if feature.type in types)


def _dates(contract: Contract) -> Iterator[Dates]:
    if contract.reference_day is None:
        return
    groups = ((_positions(contract, "date"), False), (_positions(contract, "datetime"), True))
    for positions, with_hour in groups:
        if positions:
            yield Dates(positions=positions, reference_day=contract.reference_day, with_hour=with_hour)


def _flat(step: TransformerMixin | None) -> list[TransformerMixin]:
    """The steps of a pipeline, including those of inner pipelines."""
    if isinstance(step, Pipeline):
        return [inner for _, each in step.steps for inner in _flat(each)]
    return [] if step is None else [step]


def _classified(graph: Graph, rows: Tensor, classifier: ClassifierMixin) -> Tensor:
    if isinstance(classifier, CalibratedClassifier):
        shares = _classified(graph, rows, classifier.classifier)
        n_classes = len(classifier.classes_)
        smoothed = graph.add("Add", shares, graph.constant(classifier.smoothing))
        scores = graph.add("Mul", graph.logarithms(smoothed, n_classes), graph.constant(classifier.exponent))
        return graph.softmax(scores, n_classes)
    if isinstance(classifier, LogisticRegression):
        return _logistic(graph, rows, classifier)
    if isinstance(classifier, RandomForestClassifier):
        return trees.forest(graph, rows, classifier)
    if isinstance(classifier, HistGradientBoostingClassifier):
        return trees.boosting(graph, rows, classifier)
    if isinstance(classifier, KNeighborsClassifier):
        return _neighbours(graph, rows, classifier)
    raise ConversionRefused(f"a {type(classifier).__name__}")


def _logistic(graph: Graph, rows: Tensor, classifier: LogisticRegression) -> Tensor:
    weights, intercept = classifier.coef_.T, classifier.intercept_
    if len(intercept) == 1:
        # With two classes the first has no score: the softmax of (0, x) is the logistic function of x.
        weights = np.hstack([np.zeros_like(weights), weights])
        intercept = np.append(0.0, intercept)
    product = graph.add("MatMul", rows, graph.constant(weights))
    return graph.softmax(graph.add("Add", product, graph.constant(intercept)), len(intercept))


def _neighbours(graph: Graph, rows: Tensor, classifier: KNeighborsClassifier) -> Tensor:
    fitted = np.asarray(classifier._fit_X)
    if classifier.effective_metric_ != "euclidean" or classifier.weights != "uniform":
        raise ConversionRefused(repr(classifier))
    if fitted.size > _MOST_NEIGHBOURS_VALUES:
        raise ConversionRefused(f"neighbours among {fitted.size} values")
    distances = _squared_distances(graph, rows, fitted)
    k = classifier.n_neighbors
    _, nearest = graph.add_all("TopK", distances, graph.constant([k]), outputs=2, axis=1, largest=0)
    votes = np.eye(len(classifier.classes_))[classifier._y]
    counts = graph.add(
        "ReduceSum",
        graph.add("Gather", graph.constant(votes), graph.add("Transpose", nearest, perm=[1, 0]), axis=0),
        graph.constant([0]),
        keepdims=0,
    )
    return graph.add("Div", counts, graph.constant(float(k)))


def _squared_distances(graph: Graph, rows: Tensor, others: np.ndarray) -> Tensor:
    """The squared distance of every row from every other, ``(n_rows, n_others)``, summed column by column.

    scikit-learn sums in this order when it counts votes. A matrix product would be faster, but would round
    differently and so break ties differently.
    """
    n_columns = others.shape[1]
    columns = graph.add_all("Split", rows, outputs=n_columns, axis=1, num_outputs=n_columns)
    total = None
    for column, other in zip(columns, others.T, strict=True):
        apart = graph.add("Sub", column, graph.constant(np.ascontiguousarray(other[np.newaxis])))
        square = graph.add("Mul", apart, apart)
        total = square if total is None else graph.add("Add", total, square)
    if total is None:
        raise ConversionRefused("neighbours by no column")
    return total

"""Tree ensembles as ONNX operators that give exactly scikit-learn's bits.

ONNX's ensembles sum their leaves in 32 bits. So here they only compute the index of each tree's leaf, a small
integer that 32 bits represent exactly. The values of the leaves are then looked up and summed in 64 bits, in
scikit-learn's order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from training.compile.onnx_graph import DOUBLE, FLOAT, INT64, Graph, Tensor
from training.training_errors import ConversionRefused

_MOST_LEAVES = 2**24
"""32-bit floats represent every integer up to this one."""

_STRUCTURE = ("children_left", "children_right", "feature", "missing_go_to_left")


@dataclass(frozen=True)
class _Tree:
    """A tree whose node 0 is the root; ``x <= threshold`` goes left, and a gap where the node says."""

    is_leaf: NDArray[np.bool_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    is_gap_left: NDArray[np.bool_]
    values: NDArray[np.float64]
    """Of the leaves, in the order of their nodes."""


def forest(graph: Graph, rows: Tensor, classifier: RandomForestClassifier) -> Tensor:
    """The mean of the trees' probabilities, for prepared rows."""
    trees = [_forest_tree(each.tree_) for each in classifier.estimators_]
    # scikit-learn's forests round rows to 32 bits, and compare them with 64-bit thresholds.
    rounded = graph.add("Cast", graph.add("Cast", rows, to=FLOAT), to=DOUBLE)
    total = graph.add("ReduceSum", _leaf_values(graph, rounded, trees), graph.constant([0]), keepdims=0)
    return graph.add("Div", total, graph.constant(float(len(trees))))


def _forest_tree(tree: object) -> _Tree:
    nodes = {name: np.asarray(getattr(tree, name)) for name in (*_STRUCTURE, "threshold", "value")}
    is_leaf = nodes["children_left"] < 0
    return _Tree(
        is_leaf,
        nodes["children_left"],
        nodes["children_right"],
        nodes["feature"],
        nodes["threshold"],
        nodes["missing_go_to_left"].astype(bool),
        nodes["value"][is_leaf, 0, :],
    )


def boosting(graph: Graph, rows: Tensor, classifier: HistGradientBoostingClassifier) -> Tensor:
    """The softmax of the sums of the trees, for prepared rows."""
    # Private attributes of scikit-learn's class; the check of the compiled form detects a change.
    rounds = classifier._predictors
    baseline = np.ravel(classifier._baseline_prediction)
    trees = [
        _boosting_tree(each.nodes, baseline[place] if each_round is rounds[0] else 0.0)
        for each_round in rounds
        for place, each in enumerate(each_round)
    ]
    leaves = _leaf_values(graph, rows, trees)
    by_round = graph.add("Reshape", leaves, graph.constant([len(rounds), len(baseline), -1]))
    scores = graph.add("ReduceSum", by_round, graph.constant([0]), keepdims=0)
    scores = graph.add("Transpose", scores, perm=[1, 0])
    if len(baseline) == 1:
        # With two classes the first has no score: the softmax of (0, x) is the logistic function of x.
        scores = graph.add("Mul", scores, graph.constant(np.array([0.0, 1.0])))
    return graph.softmax(scores, len(classifier.classes_))


def _boosting_tree(nodes: NDArray[np.void], start: float) -> _Tree:
    if nodes["is_categorical"].any():
        raise ConversionRefused("gradient boosting with categorical splits")
    is_leaf = nodes["is_leaf"].astype(bool)
    return _Tree(
        is_leaf,
        nodes["left"].astype(np.int64),
        nodes["right"].astype(np.int64),
        nodes["feature_idx"].astype(np.int64),
        nodes["num_threshold"],
        nodes["missing_go_to_left"].astype(bool),
        start + nodes["value"][is_leaf],
    )


def _leaf_values(graph: Graph, rows: Tensor, trees: Sequence[_Tree]) -> Tensor:
    """The values of the rows' leaves, of shape ``(n_trees, n_rows)`` plus the shape of one value."""
    counts = [int(tree.is_leaf.sum()) for tree in trees]
    if sum(counts) > _MOST_LEAVES:
        raise ConversionRefused(f"{sum(counts)} leaves")
    sizes = [len(tree.is_leaf) for tree in trees]
    is_leaf = np.concatenate([tree.is_leaf for tree in trees])
    tree_ids = np.repeat(np.arange(len(trees)), sizes)
    node_ids = np.concatenate([np.arange(size) for size in sizes])
    numbers = graph.add(
        "TreeEnsembleRegressor",
        rows,
        domain="ai.onnx.ml",
        # One target per tree, whose value is the index of the tree's leaf.
        n_targets=len(trees),
        aggregate_function="SUM",
        post_transform="NONE",
        nodes_treeids=tree_ids.tolist(),
        nodes_nodeids=node_ids.tolist(),
        nodes_modes=np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_featureids=_of_branches(is_leaf, [tree.feature for tree in trees]),
        nodes_truenodeids=_of_branches(is_leaf, [tree.left for tree in trees]),
        nodes_falsenodeids=_of_branches(is_leaf, [tree.right for tree in trees]),
        nodes_missing_value_tracks_true=_of_branches(is_leaf, [tree.is_gap_left for tree in trees]),
        nodes_values_as_tensor=_tensor(np.where(is_leaf, 0, np.concatenate([t.threshold for t in trees]))),
        target_treeids=tree_ids[is_leaf].tolist(),
        target_nodeids=node_ids[is_leaf].tolist(),
        target_ids=tree_ids[is_leaf].tolist(),
        target_weights_as_tensor=_tensor(np.arange(is_leaf.sum(), dtype=np.float64)),
    )
    places = graph.add("Cast", graph.add("Transpose", numbers, perm=[1, 0]), to=INT64)
    values = np.concatenate([tree.values for tree in trees])
    return graph.add("Gather", graph.constant(values), places, axis=0)


def _of_branches(is_leaf: NDArray[np.bool_], arrays: Sequence[NDArray[np.generic]]) -> list[int]:
    values: list[int] = np.where(is_leaf, 0, np.concatenate(arrays)).astype(np.int64).tolist()
    return values


def _tensor(values: NDArray[np.float64]) -> object:
    return numpy_helper.from_array(values.astype(np.float64))

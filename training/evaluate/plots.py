"""Two plots of a candidate on the test split: its confusion matrix and its calibration.

They use matplotlib's figures directly, because pyplot keeps every figure in global state and looks for a
display.
"""

from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix

from training.evaluate.evaluation import Evaluation

_INK, _GRID, _GUIDE = "#1f2933", "#d9dee3", "#8a97a3"
_MAX_BINS, _ROWS_A_BIN = 10, 10
_MAX_LABELLED_CLASSES = 15
"""Cells contain their counts up to this many classes; with more they would not be readable."""


def draw_confusion_matrix(evaluation: Evaluation) -> Figure:
    """The number of rows by true and predicted class; cells are shaded by the share of the true class."""
    classes = evaluation.pipeline.classes_
    predicted = classes[evaluation.probabilities.argmax(axis=1)]
    counts = confusion_matrix(evaluation.test.labels, predicted, labels=classes)
    shares = counts / counts.sum(axis=1, keepdims=True)
    names = [_shortened(str(label)) for label in classes]
    side = 2.6 + 0.75 * min(len(classes), _MAX_LABELLED_CLASSES)
    figure = Figure(figsize=(side + 1.2, side), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    every = ceil(len(names) / (2 * _MAX_LABELLED_CLASSES))
    labelled = range(0, len(names), every)
    axes.set_xticks(labelled, names[::every], rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(labelled, names[::every])
    if len(names) <= _MAX_LABELLED_CLASSES:
        for row, column in np.ndindex(*counts.shape):
            colour = "white" if shares[row, column] > 0.5 else _INK
            axes.text(column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=12)
    colours = figure.colorbar(image, ax=axes, shrink=0.85, label="Share of the true class")
    colours.outline.set_visible(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    _caption(axes, evaluation, "confusion", x="Predicted class", y="True class")
    return figure


def draw_calibration(evaluation: Evaluation) -> Figure:
    """The share of rows that are of a class, by their predicted probability of it.

    There is one line for the second of two classes, else one for each class against the rest. Bins have equal
    numbers of rows, and few rows make few bins, because the share of three rows means nothing.
    """
    classes = evaluation.pipeline.classes_
    positions = [1] if len(classes) == 2 else range(min(len(classes), _MAX_LABELLED_CLASSES))
    bins = min(_MAX_BINS, max(2, len(evaluation.test.labels) // _ROWS_A_BIN))
    figure = Figure(figsize=(7.2, 5.2), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=_GUIDE, linestyle="--", linewidth=1, label="perfectly calibrated")
    for position in positions:
        shares, means = calibration_curve(
            evaluation.test.labels == classes[position],
            evaluation.probabilities[:, position].clip(0, 1),
            n_bins=bins,
            strategy="quantile",
        )
        axes.plot(means, shares, marker="o", markersize=5, label=_shortened(str(classes[position])))
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.01, 0.5))
    _caption(axes, evaluation, "calibration", x="Mean predicted probability", y="Share that was of the class")
    return figure


def _caption(axes: Axes, evaluation: Evaluation, subject: str, *, x: str, y: str) -> None:
    title = f"{evaluation.candidate.title.capitalize()}: {subject} on {len(evaluation.test.labels)} test rows"
    axes.set_title(title, fontsize=12, color=_INK, pad=12)
    axes.set_xlabel(x, color=_INK, labelpad=8)
    axes.set_ylabel(y, color=_INK, labelpad=8)


def _shortened(label: str, longest: int = 24) -> str:
    # A dollar sign would begin a formula.
    text = label if len(label) <= longest else f"{label[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"
    return text.replace("$", r"\$")

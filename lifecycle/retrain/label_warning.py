"""Why the labels of a log may be biased: they cover what was predicted unevenly."""

from collections.abc import Sequence

import numpy as np

from lifecycle.retrain.labelled_log import LoggedLabels
from service.monitoring.assessment import LabelCoverage
from service.monitoring.quality.label_coverage import caveat_of, coverage_of


def coverage(found: LoggedLabels, classes: Sequence[str]) -> tuple[LabelCoverage, ...]:
    """How many predictions got a label: all, then those predicted as each class."""
    rows, labelled = (
        np.array([counts[name] for name in classes], dtype=np.int64)
        for counts in (found.predicted, found.labelled)
    )
    return coverage_of(rows, labelled, classes)


def warning_of(parts: Sequence[LabelCoverage]) -> str:
    """A warning if labels exist only for some predicted classes, or cover them very differently."""
    if not parts or not parts[0].labelled:
        return ""
    without = [part.predicted for part in parts[1:] if part.rows and not part.labelled]
    sentences = []
    if without:
        listed = ", ".join(without)
        sentences.append(
            f"No prediction of {listed} has a label: what is learned from the log is learned from the other "
            "predictions alone."
        )
    if caveat := caveat_of(parts):
        sentences.append(caveat)
    return " ".join(sentences)

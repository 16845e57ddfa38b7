"""The training table as a vector of counts, in the layout of the windows that are compared with it."""

import numpy as np

from service.model.training_profile import CategoryProfile
from service.monitoring.layout import CategorySection, Counts, Layout, NumberSection


def training_counts(layout: Layout) -> Counts:
    """The counts and sums of the profile.

    In the place of unknown categories is how many rows would have one if each row were compared with all
    others: an estimate of what new rows have (I. J. Good, "The Population Frequencies of Species", Biometrika
    40 (1953), 237-264).
    """
    vector = layout.zeros()
    vector[layout.rows] = layout.profile.rows
    for section in layout.sections:
        if isinstance(section, NumberSection):
            _set_numbers(vector, section)
        else:
            _set_categories(vector, section)
    vector[layout.labels] = layout.profile.predictions.counts
    vector[layout.confidences] = layout.profile.predictions.confidence_counts
    return vector


def _set_numbers(vector: Counts, section: NumberSection) -> None:
    profile = section.profile
    counts = np.array(profile.counts)
    vector[section.counts] = counts
    vector[section.sums] = np.rint((np.array(profile.means) - profile.mean) / section.unit * counts)
    vector[section.missing] = profile.missing


def _set_categories(vector: Counts, section: CategorySection) -> None:
    profile = section.profile
    vector[section.counts] = [*profile.counts, profile.rest]
    vector[section.unknown] = _seen_once(profile)
    vector[section.missing] = profile.missing


def _seen_once(profile: CategoryProfile) -> int:
    if profile.seen_once is not None:
        return profile.seen_once
    # Not counted: any row of the rest may be the only one of its category.
    return profile.counts.count(1) + profile.rest

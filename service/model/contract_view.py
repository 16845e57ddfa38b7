"""The contract as it is shown: whole, but for long lists of categories.

The contract within the model keeps every category that training saw, since a value that is none of them is
flagged. What is shown, to those who may read, has the first of them and their number.
"""

from service.model.contract import Contract, Feature

LISTED_CATEGORIES = 50


class ShownFeature(Feature):
    """A feature whose ``categories`` may be the beginning of a longer list."""

    categories_total: int
    """How many there are."""


class ShownContract(Contract):
    """A contract whose features are shown."""

    features: tuple[ShownFeature, ...]


def shown(contract: Contract) -> ShownContract:
    """The contract, with at most ``LISTED_CATEGORIES`` of the categories of each open feature."""
    features = tuple(_shown_feature(feature) for feature in contract.features)
    return ShownContract(features=features, target=contract.target)


def _shown_feature(feature: Feature) -> ShownFeature:
    listed = feature.categories if feature.closed else feature.categories[:LISTED_CATEGORIES]
    about = {**feature.model_dump(), "categories": listed}
    return ShownFeature(**about, categories_total=len(feature.categories))

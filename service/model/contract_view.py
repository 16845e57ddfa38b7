"""The contract as /model/info returns it: complete except for long lists of categories.

The model's contract has every category of the training table, because any other value is flagged. The view
has the first of them and their number.
"""

from service.model.contract import Contract, Feature

LISTED_CATEGORIES = 50


class FeatureView(Feature):
    """A feature whose ``categories`` may be cut."""

    categories_total: int
    """Number of categories before the cut."""


class ContractView(Contract):
    """A contract whose lists of categories may be cut."""

    features: tuple[FeatureView, ...]


def view_of(contract: Contract) -> ContractView:
    """The contract with at most ``LISTED_CATEGORIES`` of the categories of each open feature."""
    features = tuple(_feature_view(feature) for feature in contract.features)
    return ContractView(features=features, target=contract.target, reference_date=contract.reference_date)


def _feature_view(feature: Feature) -> FeatureView:
    listed = feature.categories if feature.closed else feature.categories[:LISTED_CATEGORIES]
    fields = {**feature.model_dump(), "categories": listed}
    return FeatureView(**fields, categories_total=len(feature.categories))

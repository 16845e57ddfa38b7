"""Whether a model can take over the requests of another: every valid row stays valid, every answer readable.

The candidate may accept more (a *compatible widening*): a missing value where the served contract requires
one, categories that it forbids, numbers beyond its limits. It must have the same features in the same order
with the same types, and the same target with the same classes in the same order.
"""

from collections.abc import Iterator

from service.model.contract import Contract, Feature


def differences(served: Contract, candidate: Contract) -> list[str]:
    """What keeps the candidate from taking over, a sentence each; empty if it can."""
    return [*_feature_differences(served, candidate), *_target_differences(served, candidate)]


def _feature_differences(served: Contract, candidate: Contract) -> Iterator[str]:
    names = [feature.name for feature in served.features]
    others = [feature.name for feature in candidate.features]
    if names != others:
        missing = [name for name in names if name not in others]
        more = [name for name in others if name not in names]
        if missing:
            yield f"It lacks the features {', '.join(missing)}."
        if more:
            yield f"It has further features: {', '.join(more)}."
        if not missing and not more:
            yield "Its features are in another order."
        return
    for feature, other in zip(served.features, candidate.features, strict=True):
        yield from _narrowings(feature, other)


def _narrowings(served: Feature, candidate: Feature) -> Iterator[str]:
    name = served.name
    if served.type != candidate.type:
        yield f"{name} is a {candidate.type}, not a {served.type}."
        return
    if served.nullable and not candidate.nullable:
        yield f"{name} may not be missing."
    if served.is_number or served.date_type is not None:
        (low, high), (other_low, other_high) = served.limits, candidate.limits
        if other_low > low or other_high < high:
            yield f"{name} has narrower limits."
    if candidate.closed and not served.closed:
        yield f"{name} allows only known categories."
    elif candidate.closed and (lost := sorted({*served.categories} - {*candidate.categories})):
        yield f"{name} does not allow {', '.join(lost[:5])}{' and others' if len(lost) > 5 else ''}."
    elif served.type == "category" and candidate.max_text_length < served.max_text_length:
        yield f"{name} allows only shorter texts."


def _target_differences(served: Contract, candidate: Contract) -> Iterator[str]:
    if served.target.name != candidate.target.name:
        yield f"It predicts {candidate.target.name}, not {served.target.name}."
    if served.target.type != candidate.target.type:
        yield f"Its labels are of type {candidate.target.type}, not {served.target.type}."
    elif served.target.classes != candidate.target.classes:
        yield f"Its classes are {list(candidate.target.classes)}, not {list(served.target.classes)}."

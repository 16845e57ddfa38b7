"""The codes of categories, and the tables that give a code's columns, from fitted encoders.

A graph has no texts: the service maps a text to a code (``service/model/compiled.py``), and the graph looks
the code up in a table of numbers. So every encoder whose columns depend on the value alone compiles alike.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from service.model.compiled import Coding
from training.training_errors import ConversionRefused

ENCODERS = (OneHotEncoder, OrdinalEncoder, TargetEncoder)

CodedColumn = tuple[Coding, np.ndarray]
"""A category's codes, and the encoder's columns for each code, ``(n_codes, n_columns)``."""


def codings(steps: Sequence[TransformerMixin], columns: Sequence[int]) -> Iterator[CodedColumn]:
    """Each category's coding by a fitted encoder and the imputers before it; raises ConversionRefused."""
    *imputers, encoder = steps
    missing = _missing_text(imputers)
    for place, (position, known) in enumerate(zip(columns, encoder.categories_, strict=True)):
        if not all(isinstance(value, str) for value in known):
            raise ConversionRefused("categories that are not all known texts")
        if isinstance(encoder, OneHotEncoder):
            yield _one_hot(position, known, encoder.infrequent_categories_[place], encoder, missing)
        else:
            yield _numbered(position, known, _table(encoder, place), missing)


def _missing_text(imputers: Sequence[TransformerMixin]) -> str | None:
    """The text that replaces a missing category, if any."""
    texts = set()
    for each in imputers:
        if not isinstance(each, SimpleImputer) or each.strategy != "constant" or each.add_indicator:
            raise ConversionRefused(f"{each!r} before categories are encoded")
        texts.add(each.fill_value)
    if len(texts) > 1:
        raise ConversionRefused("different fillings of one category")
    return texts.pop() if texts else None


def _one_hot(
    position: int,
    known: np.ndarray,
    infrequent: np.ndarray | None,
    encoder: OneHotEncoder,
    missing: str | None,
) -> CodedColumn:
    if encoder.handle_unknown not in ("ignore", "infrequent_if_exist"):
        raise ConversionRefused(f"categories that are unknown with handle_unknown={encoder.handle_unknown!r}")
    rare = set() if infrequent is None else set(infrequent.tolist())
    frequent = [value for value in known.tolist() if value not in rare]
    # Infrequent values share the last column. If there are none, an unknown value sets no column.
    shared = len(frequent)
    codes = dict.fromkeys(rare, shared) | {value: place for place, value in enumerate(frequent)}
    coding = Coding(position=position, codes=codes, missing=codes.get(missing or "", shared), unknown=shared)
    width = shared + bool(rare)
    # The code past the last column stands for values without a column.
    return coding, np.eye(width + 1, width)


def _numbered(position: int, known: np.ndarray, table: np.ndarray, missing: str | None) -> CodedColumn:
    codes = {value: place for place, value in enumerate(known.tolist())}
    unknown = len(known)
    coding = Coding(
        position=position, codes=codes, missing=codes.get(missing or "", unknown), unknown=unknown
    )
    return coding, table


def _table(encoder: OrdinalEncoder | TargetEncoder, place: int) -> np.ndarray:
    """The columns of each known value, in order, and last those of an unknown one."""
    n_known = len(encoder.categories_[place])
    if isinstance(encoder, OrdinalEncoder):
        if encoder.handle_unknown != "use_encoded_value":
            raise ConversionRefused(repr(encoder))
        return np.append(np.arange(n_known, dtype=np.float64), float(encoder.unknown_value))[:, np.newaxis]
    # One encoding for each class, or for the second of two classes.
    means = np.atleast_1d(encoder.target_mean_)
    encodings = encoder.encodings_[place * len(means) : (place + 1) * len(means)]
    return np.vstack([np.column_stack(encodings), means])

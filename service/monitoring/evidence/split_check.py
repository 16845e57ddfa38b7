"""Whether the challenger got the share of keys that the assignment gives it: the check of the split.

If it did not, requests of one model are lost, or assigned by something else than the hash, and what remains
of the two models is not comparable. M. Lindon, A. Malek, "Anytime-valid inference for multinomial count
data", arXiv 2011.03567: the Bayes factor of a Dirichlet mixture against the assigned shares is a martingale
if these are true, so it may be looked at after every request. It depends on the counts alone.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, xlog1py, xlogy

from service.model.release.assignment import BUCKETS, challenger_buckets
from service.model.release.release import Release

Floats = NDArray[np.float64]

_PRIOR_KEYS = 100.0
"""The concentration of the mixture: large enough that it does not wait for absurd shares alone."""


def assigned_share(release: Release) -> float:
    """The share of keys that the challenger's buckets are."""
    return challenger_buckets(release.share) / BUCKETS


def split_evidence(challenger_keys: ArrayLike, champion_keys: ArrayLike, share: float) -> Floats:
    """The logarithm of the evidence against the share of the challenger's keys.

    It stays below log(1 / alpha) with 1 - alpha if each key is assigned by the share. A share of 0 or 1 is
    refuted by one key.
    """
    first, second = (np.asarray(each, dtype=np.float64) for each in (challenger_keys, champion_keys))
    if share in (0, 1):
        return np.asarray(np.where((second if share else first) > 0, np.inf, 0.0))
    prior = (_PRIOR_KEYS * share, _PRIOR_KEYS * (1 - share))
    mixture = betaln(prior[0] + first, prior[1] + second) - betaln(*prior)
    return np.asarray(mixture - xlogy(first, share) - xlog1py(second, -share))

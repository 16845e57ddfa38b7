"""The sequential McNemar test: whether the models are right equally often where only one of them is.

The net discordance of a request is the number of its rows that only the challenger has right, less those
that only the champion has. If the models are equally good, requests with a positive and with a negative one
are equally frequent. e = 2^(b + c) B(b + 1/2, c + 1/2) / B(1/2, 1/2) is the likelihood ratio of a mixture
over all frequencies (H. Robbins, 1970) against Q. McNemar, "Note on the sampling error of the difference
between correlated proportions", Psychometrika 12 (1947). Each request counts once, so batches do not break
it.

It is shown beside the interval and decides nothing: two tests would take two shares of the error.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln

from service.monitoring.evidence.evidence import Discordance
from service.monitoring.evidence.evidence_state import PairedRows

Floats = NDArray[np.float64]

_LARGEST_LOGARITHM = 600.0
"""JSON has no infinity."""


def discordance_evidence(only_champion: ArrayLike, only_challenger: ArrayLike) -> Floats:
    """The logarithm of the evidence; it stays below log(1 / alpha) with 1 - alpha if both are as good."""
    first, second = (np.asarray(each, dtype=np.float64) for each in (only_champion, only_challenger))
    return np.asarray((first + second) * np.log(2) + betaln(first + 0.5, second + 0.5) - betaln(0.5, 0.5))


def discordance(paired: PairedRows) -> Discordance:
    """Of labelled pairs."""
    gain = paired.challenger.is_right.astype(np.int64) - paired.champion.is_right
    _, places = np.unique(paired.champion.request, return_inverse=True)
    net = np.bincount(places, weights=gain)
    logarithm = discordance_evidence((net < 0).sum(), (net > 0).sum())
    return Discordance(
        only_champion_right=int((gain < 0).sum()),
        only_challenger_right=int((gain > 0).sum()),
        e_value=float(np.exp(min(float(logarithm), _LARGEST_LOGARITHM))),
    )

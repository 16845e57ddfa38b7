"""The candidates that ``--only`` and ``--without`` choose."""

from collections.abc import Sequence

from training.candidates.built_in import Candidate
from training.training_errors import CandidateUnknown, NoCandidateLeft


def chosen_candidates(
    candidates: Sequence[Candidate], only: Sequence[str], without: Sequence[str]
) -> tuple[Candidate, ...]:
    """The candidates named by ``only``, or all, except those named by ``without``.

    Raises CandidateUnknown and NoCandidateLeft.
    """
    known = [candidate.name for candidate in candidates]
    for option, names in (("--only", only), ("--without", without)):
        for name in names:
            if name not in known:
                raise CandidateUnknown(option, name, known)
    chosen = tuple(
        each for each in candidates if each.name not in without and (not only or each.name in only)
    )
    if not chosen:
        raise NoCandidateLeft
    return chosen

"""The flags of a matrix of rows, as if they were one request."""

from service.model.contract import Contract, Matrix
from service.model.reference_profile import Flags, ReferenceProfile


def flagged(contract: Contract, matrix: Matrix) -> Flags:
    """All rows' flags together."""
    observed = ReferenceProfile(contract)
    codes = observed.codes(matrix)
    return observed.flags([codes.get(row) for row in range(len(matrix))])

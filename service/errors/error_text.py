"""An error in one text: the protocol has no other place for what is wrong with which value."""

from service.errors import Finding, RequestError

MAX_FINDINGS = 10
"""Findings that are told; over gRPC they go in the trailers, of which clients read 8 KiB."""

_TEXT_LIMIT = 2_000


def error_text(error: RequestError) -> str:
    """What is wrong, and with which values."""
    told = [finding_text(finding) for finding in error.findings[:MAX_FINDINGS]]
    more = len(error.findings) - len(told)
    text = " ".join([error.detail, "; ".join(told), f"(and {more} more)" if more > 0 else ""]).strip()
    return text if len(text) <= _TEXT_LIMIT else text[:_TEXT_LIMIT] + "..."


def finding_text(finding: Finding) -> str:
    """One thing that is wrong, behind its place: ``petal_width.3: Input should be ...``."""
    return f"{'.'.join(map(str, finding.loc))}: {finding.msg}"

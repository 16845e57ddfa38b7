"""An error as one text, for formats that have a single field for it: gRPC and the Open Inference Protocol."""

from service.errors import Finding, RequestError

MAX_FINDINGS = 10
"""Findings that the text lists. Over gRPC they also go into the trailers, of which clients read 8 KiB."""

_TEXT_LIMIT = 2_000


def error_text(error: RequestError) -> str:
    """The error's message, followed by its findings."""
    listed = [finding_text(finding) for finding in error.findings[:MAX_FINDINGS]]
    more = len(error.findings) - len(listed)
    text = " ".join([error.detail, "; ".join(listed), f"(and {more} more)" if more > 0 else ""]).strip()
    return text if len(text) <= _TEXT_LIMIT else text[:_TEXT_LIMIT] + "..."


def finding_text(finding: Finding) -> str:
    """A finding after its location: ``petal_width.3: Input should be ...``."""
    return f"{'.'.join(map(str, finding.loc))}: {finding.msg}"

"""The limits that no setting changes, from the constants that hold them."""

from docs.extension.markdown_table import markdown_table
from service.audit.outcome import outcome_batch, sent_outcome
from service.audit.query.history import MAX_ITEMS
from service.audit.query.history_pages import MAX_CONCURRENT_QUERIES, READ_BURST, READS_PER_S
from service.audit.query.listed_outcomes import MAX_OUTCOMES as MAX_LISTED_OUTCOMES
from service.audit.query.read_acts import MAX_IDS
from service.audit.write.key_acts import MAX_FOUND
from service.collector import collecting
from service.errors import error_text
from service.grpc.intake import BUDGET_BYTES
from service.http.connection.limits import BODIES_BYTES, ConnectionLimits
from service.http.connection.message_size import HEAD_BYTES, HEAD_LINES
from service.http.feedback import BODY_LIMIT_BYTES, MAX_SHORT_REQUESTS
from service.http.page_rate import PAGES_PER_S
from service.inference import admission, row_check, shadow
from service.inference.refused_keys import MAX_COMBINATIONS
from service.model.contract import LARGEST_EXACT_INTEGER, LARGEST_NUMBER, MAX_TEXT_LENGTH
from service.model.reference_profile import MAX_LISTED_FLAGS

_KIB, _MIB = 1024, 1024**2


def limit_table() -> str:
    """Write every fixed limit that a client or an operator can meet."""
    rows = [
        ("Request line and headers", f"{HEAD_BYTES // _KIB} KiB, {HEAD_LINES} lines"),
        ("Time in which the headers arrive", f"{ConnectionLimits.head_s:g} s"),
        ("Bodies that a worker holds at once", f"{BODIES_BYTES // _MIB} MiB"),
        ("gRPC messages that a worker holds at once", f"{BUDGET_BYTES // _MIB} MiB"),
        ("Larger requests in progress at once", f"{admission.MAX_LARGE_BYTES_IN_PROGRESS // _MIB} MiB"),
        (
            "The same while there are single rows",
            f"{admission.MAX_LARGE_BYTES_BESIDE_SINGLE // _KIB} KiB, but always one request",
        ),
        ("Answers of 429, for each worker", f"{admission.REJECTIONS_PER_S:g} a second"),
        ("Pages, documents and metrics, for each worker", f"{PAGES_PER_S:g} a second"),
        ("Queries of the history at once", f"{MAX_CONCURRENT_QUERIES}"),
        (
            "Pages of the history and receipts, for each worker",
            f"{READS_PER_S:g} a second, after {READ_BURST} at once",
        ),
        (
            "Rows that wait for a challenger in shadow, for each worker",
            f"{shadow.QUEUE_ROWS:,}, in bodies of {shadow.QUEUE_BYTES // _MIB} MiB, "
            f"for {shadow.MAX_AGE_S:g} s",
        ),
        ("Items on a page of the history", f"{MAX_ITEMS}"),
        ("Outcomes that an item of the history lists", f"{MAX_LISTED_OUTCOMES}"),
        ("Outcomes in a request", f"{outcome_batch.MAX_OUTCOMES:,}"),
        ("Body of a request with outcomes", f"{BODY_LIMIT_BYTES // _MIB} MiB"),
        ("Short requests with outcomes at once, for each worker", f"{MAX_SHORT_REQUESTS}"),
        ("A source, a reviewer or a reason code of an outcome", f"{sent_outcome.MAX_TEXT_LENGTH} characters"),
        ("Refused outcomes listed in an answer", f"{sent_outcome.MAX_FINDINGS}"),
        ("Ambiguous request ids listed in an answer", f"{outcome_batch.MAX_LISTED_IDS}"),
        ("Outcomes that wait for their prediction, in monitoring", f"{collecting.MOST_WAITING:,}"),
        ("Rows with an outcome, in monitoring", f"{collecting.MOST_ROWS:,}"),
        ("Slots of a model, in monitoring", f"{collecting.MOST_SLOTS:,}"),
        ("Age of what monitoring keeps", f"{collecting.KEPT_S // 86_400} days"),
        ("Ids that the act of a read lists", f"{MAX_IDS}"),
        ("Counts in the act of refused keys, for each worker and minute", f"{MAX_COMBINATIONS}"),
        ("API keys that one act states as found", f"{MAX_FOUND}"),
        ("Wrong values listed in problem details", f"{row_check.MAX_FINDINGS}"),
        ("Wrong values listed over gRPC and below `/v2`", f"{error_text.MAX_FINDINGS}"),
        ("Flags listed in an answer", f"{MAX_LISTED_FLAGS:,}"),
        ("A number", f"-{LARGEST_NUMBER:g} to {LARGEST_NUMBER:g}"),
        ("An integer", f"-{LARGEST_EXACT_INTEGER:,} to {LARGEST_EXACT_INTEGER:,}"),
        ("A category that training has not seen", f"{MAX_TEXT_LENGTH:,} characters"),
    ]
    return markdown_table(("what", "limit"), rows)

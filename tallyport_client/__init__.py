"""The client of Tallyport: numbers, registers, items and reports over HTTP, records over the queue.

Comes in: an address and a token; for the queue, the broker's address. Goes out: typed values,
numbers exact to the last digit. It needs aiohttp alone; the producer needs aio-pika too, and is
imported from `tallyport_client.producer`.

    client, blocking               AsyncClient, and Tallyport: the same, blocking
    numbers, registers, recording, reports   the calls, by family
    waiting, events, download      what becomes of a report, and its file
    transport, retrying, refusals  one call: limits, retries, what the service says no with
    paging, batches                many in, many out
    models, records, errors        what one gets, what one gives, what goes wrong
    producer, routes               the queue
"""

from tallyport_client.blocking import Tallyport
from tallyport_client.client import AsyncClient
from tallyport_client.download import Downloaded
from tallyport_client.errors import (
    BrokerRefusedError,
    BusyError,
    ClientError,
    ConflictError,
    DamagedFileError,
    DeadlineExceededError,
    ForbiddenError,
    InternalError,
    InvalidError,
    MalformedError,
    MessageRefusedError,
    NotFoundError,
    NotTallyportError,
    Problem,
    RefusedError,
    ReportFailedError,
    ReportRemovedError,
    TimedOutError,
    TooLargeError,
    UnauthorizedError,
    UnreachableError,
    UnroutableError,
)
from tallyport_client.models import (
    Analysis,
    AnalysisRow,
    Dimension,
    DimensionValue,
    GroupedNumbers,
    Item,
    NumberRow,
    Progress,
    Recorded,
    Register,
    Report,
    ReportFile,
)
from tallyport_client.transport import Limits, Reply, Stream

__all__ = [
    "Analysis",
    "AnalysisRow",
    "AsyncClient",
    "BrokerRefusedError",
    "BusyError",
    "ClientError",
    "ConflictError",
    "DamagedFileError",
    "DeadlineExceededError",
    "Dimension",
    "DimensionValue",
    "Downloaded",
    "ForbiddenError",
    "GroupedNumbers",
    "InternalError",
    "InvalidError",
    "Item",
    "Limits",
    "MalformedError",
    "MessageRefusedError",
    "NotFoundError",
    "NotTallyportError",
    "NumberRow",
    "Problem",
    "Progress",
    "Recorded",
    "RefusedError",
    "Register",
    "Reply",
    "Report",
    "ReportFailedError",
    "ReportFile",
    "ReportRemovedError",
    "Stream",
    "Tallyport",
    "TimedOutError",
    "TooLargeError",
    "UnauthorizedError",
    "UnreachableError",
    "UnroutableError",
]

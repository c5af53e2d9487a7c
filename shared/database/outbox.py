"""The outbox: messages that a transaction promises to publish.

Comes in: a message, inside the transaction that makes it true. Goes out: a row, which
`shared.relay` publishes with confirms and only then removes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.contracts.message import Message
from shared.contracts.routes import EVENTS, EVENTS_EXCHANGE, ROUTES, Queue
from shared.database.pool import Connection
from shared.database.queries import load_queries
from shared.tracing import HEADER, traceparent

CHANNEL = "tallyport_outbox"
_SQL = load_queries(__file__)


@dataclass(frozen=True, slots=True)
class Promise:
    """A row of the outbox, ready to be published as it is."""

    store_id: int
    outbox_id: int
    message_id: UUID
    kind: str
    exchange: str
    routing_key: str
    mandatory: bool
    headers: Mapping[str, str]
    body: bytes


async def enqueue_command(
    connection: Connection, store_id: int, message: Message, *, queue: Queue | None = None
) -> None:
    """Promise a command to its queue (or to `queue`, when its kind has more than one)."""
    to = queue or ROUTES[message.kind].queue
    await _enqueue(connection, store_id, message, to.exchange, to.name, mandatory=True)


async def enqueue_event(connection: Connection, store_id: int, message: Message) -> None:
    """Promise an event to whoever listens; nobody has to."""
    if message.kind not in EVENTS:
        raise ValueError(f"{message.kind} is not an event")
    await _enqueue(connection, store_id, message, EVENTS_EXCHANGE, message.kind, mandatory=False)


async def _enqueue(
    connection: Connection,
    store_id: int,
    message: Message,
    exchange: str,
    routing_key: str,
    *,
    mandatory: bool,
) -> None:
    # What is being done now is nearer to it than what the message was made for.
    context = traceparent() or message.traceparent
    await connection.execute(
        _SQL["enqueue"],
        store_id,
        message.message_id,
        message.kind,
        exchange,
        routing_key,
        mandatory,
        {HEADER: context} if context else {},
        message.model_dump_json().encode(),
    )


async def take(
    connection: Connection, *, limit: int, without: Collection[str] = ()
) -> list[Promise]:
    """Lock the oldest promises that no other relay works on, but for those to the routing keys
    `without`. Call inside a transaction."""
    rows = await connection.fetch(_SQL["take"], limit, [*without])
    return [Promise(**row) for row in rows]


async def remove(connection: Connection, promises: Sequence[Promise]) -> None:
    """Remove what was published and confirmed, in the transaction that took it."""
    await connection.execute(
        _SQL["remove"],
        [promise.store_id for promise in promises],
        [promise.outbox_id for promise in promises],
    )


async def depth(connection: Connection) -> tuple[int, float]:
    """(rows waiting, age of the oldest in seconds)."""
    row = await connection.fetchrow(_SQL["depth"])
    return (row["depth"], row["age"]) if row else (0, 0.0)

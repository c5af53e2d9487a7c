"""Putting a message away for a person, with its reason.

In: a delivery and the error. Out: a copy in the dead-letter exchange: body, properties and headers
as they came, and ours that say why. It is confirmed before the original is acknowledged, so it may
be there twice but never not at all, which the broker's own dead-lettering does not promise.
"""

from __future__ import annotations

import asyncio
from copy import copy
from datetime import UTC, datetime

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from shared import failpoints
from shared.contracts.routes import DEAD, Queue
from shared.errors import TallyportError
from shared.failpoints import Step
from shared.messaging.envelope import PERSISTENT
from shared.messaging.publisher import Publisher
from shared.telemetry import redact

REASON_CHARS_MAX = 1_000
# A secret that begins within the reason ends within this.
REDACTED_CHARS_MAX = 4 * REASON_CHARS_MAX

REASON_CODE = "tallyport-reason-code"
REASON = "tallyport-reason"
QUEUE = "tallyport-queue"
DIED_AT = "tallyport-died-at"
KIND = "tallyport-kind"
COUNT = "x-delivery-count"


class DeadLetters:
    """Publishes one at a time: their ids are the producers', and two that are equal could not be
    told apart in flight."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._one_at_a_time = asyncio.Lock()

    async def put(
        self, message: DeliveredMessage, error: TallyportError, *, queue: Queue, kind: str
    ) -> None:
        """Raises UnavailableError; the original must then stay unacknowledged."""
        properties = copy(message.header.properties)
        properties.delivery_mode = PERSISTENT
        # A question's time to live would empty the dead-letter queue.
        properties.expiration = None
        # The broker compares it with the connection's user; it was the producer's.
        properties.user_id = None
        properties.headers = {
            # The broker's count would make a redriven copy look like one that never finishes.
            **{name: value for name, value in (properties.headers or {}).items() if name != COUNT},
            REASON_CODE: error.code.value,
            REASON: bounded(error.message),
            QUEUE: queue.name,
            DIED_AT: datetime.now(UTC).isoformat(),
            KIND: kind,
        }
        _make_encodable(properties)
        async with self._one_at_a_time:
            await failpoints.before(Step.MESSAGE_DEAD_LETTER)
            await self._publisher.send(
                exchange=DEAD,
                routing_key=queue.name,
                body=message.body,
                properties=properties,
                mandatory=True,
            )
            await failpoints.after(Step.MESSAGE_DEAD_LETTER)


def _make_encodable(properties: Basic.Properties) -> None:
    """What the library could read it can not always write again: such headers are left out."""
    try:
        properties.marshal()
    except Exception:  # noqa: BLE001 - a stranger's values: any failure means the same
        headers = properties.headers or {}
        properties.headers = {
            name: value for name, value in headers.items() if isinstance(value, str | int)
        }
        properties.timestamp = None


def bounded(reason: str) -> str:
    """A reason short enough for a header and a log line, without secrets."""
    return redact(reason[:REDACTED_CHARS_MAX])[:REASON_CHARS_MAX]

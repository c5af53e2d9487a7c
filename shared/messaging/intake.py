"""From an AMQP delivery, which anybody may have sent, to a message that a handler can trust.

In: the delivery and what the queue takes. Out: the message, or an error of our tree that says what
is wrong with it. Nothing here trusts a header.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldValue
from pamqp.header import ContentHeader

from shared.contracts.message import Message
from shared.contracts.routes import CONTENT_TYPE, Queue, QueueType, may_be_answered
from shared.errors import InternalError, InvalidArgumentError, MalformedError, TooLargeError
from shared.messaging.batch import CONTENT_TYPE_BATCH, Entry, unpack
from shared.messaging.careful_reader import UNREADABLE
from shared.messaging.codec import parse, validate
from shared.tracing import HEADER

KIND_CHARS_MAX = 100
# A message that was delivered so often without an end takes its worker down, or is charged for
# neighbours that do. Below the policy's limit, and below RabbitMQ 4's own (20, then it is dropped).
DELIVERIES_MAX = 15


def read(message: DeliveredMessage, queue: Queue, accepted: Mapping[str, type[Message]]) -> Message:
    """The message in a delivery. Raises TooLargeError, MalformedError, InvalidArgumentError, and
    InternalError when it has been delivered too often."""
    if message.header.weight == UNREADABLE:
        raise MalformedError("its properties cannot be decoded: text is UTF-8, times are times")
    if _deliveries(message) >= DELIVERIES_MAX:
        raise InternalError(f"delivered {DELIVERIES_MAX} times and never finished")
    reply_to = message.header.properties.reply_to
    if reply_to and not may_be_answered(reply_to):
        raise InvalidArgumentError(
            f"reply_to names {reply_to[:KIND_CHARS_MAX]}, a queue of ours: name one of your own"
        )
    if len(message.body) > queue.body_bytes_max:
        raise TooLargeError(
            f"the body has {len(message.body)} bytes; {queue.name} takes {queue.body_bytes_max}"
        )
    properties = message.header.properties
    if properties.content_type == CONTENT_TYPE_BATCH:
        raise MalformedError("the batch cannot be taken apart, or this queue takes none")
    # Many producers set no content type; one that is set is meant.
    if properties.content_type and not _is_json(properties.content_type):
        raise MalformedError(
            f"the content type is {properties.content_type[:KIND_CHARS_MAX]}, not {CONTENT_TYPE}"
        )
    if properties.content_encoding and properties.content_encoding.lower() not in (
        "utf-8",
        "identity",
    ):
        raise MalformedError("the content encoding is not supported: send plain UTF-8")
    value = parse(message.body)
    kind = properties.message_type or (value.get("kind") if isinstance(value, dict) else None)
    message_class = accepted.get(kind) if isinstance(kind, str) else None
    if message_class is None:
        shown = kind[:KIND_CHARS_MAX] if isinstance(kind, str) else "missing"
        raise InvalidArgumentError(
            f"kind {shown}: {queue.name} takes {', '.join(sorted(accepted))}"
        )
    return validate(value, message_class)


def split(message: DeliveredMessage, queue: Queue) -> list[DeliveredMessage]:
    """The questions in a delivery that holds several, each as if it had come alone; none when it
    is not such a delivery, or is a broken one."""
    properties = message.header.properties
    if properties.content_type != CONTENT_TYPE_BATCH or queue.type is not QueueType.CLASSIC:
        return []
    try:
        entries = unpack(message.body)
    except MalformedError:
        return []
    return [
        DeliveredMessage(
            delivery=message.delivery,
            header=ContentHeader(
                properties=Basic.Properties(
                    content_type=entry.content_type,
                    headers=_context(entry),
                    delivery_mode=properties.delivery_mode,
                    message_type=entry.kind,
                    reply_to=properties.reply_to,
                    correlation_id=entry.correlation_id,
                    message_id=f"{properties.message_id}.{entry.correlation_id}",
                    app_id=properties.app_id,
                )
            ),
            body=entry.body,
            channel=message.channel,
        )
        for entry in entries
    ]


def _context(entry: Entry) -> dict[str, FieldValue] | None:
    """Each has its asker's trace. Nothing else that stands there is believed."""
    context = entry.headers.get(HEADER)
    return {HEADER: context} if isinstance(context, str) else None


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == CONTENT_TYPE


def _deliveries(message: DeliveredMessage) -> int:
    """How often a quorum queue has delivered it before."""
    count = (message.header.properties.headers or {}).get("x-delivery-count", 0)
    return count if isinstance(count, int) else 0

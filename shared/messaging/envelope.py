"""AMQP properties: written for what we send, read from what anybody sends.

In: a message. Out: `Basic.Properties` with kind, id, time and trace, so that a broker's tools, and
consumers in other languages, can see what a body is without parsing it.
"""

from __future__ import annotations

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from shared.contracts.message import Message
from shared.contracts.routes import CONTENT_TYPE
from shared.tracing import HEADER, traceparent, valid_traceparent

PERSISTENT = 2
TRANSIENT = 1


def properties_of(
    message: Message,
    *,
    sender: str,
    persistent: bool = True,
    headers: dict[str, str] | None = None,
    reply_to: str | None = None,
    correlation_id: str | None = None,
    expiration_seconds: float | None = None,
) -> Basic.Properties:
    """The properties of a message that is about to be sent."""
    all_headers = {**(headers or {})}
    # What is being done now is nearer to it than what the message was made for.
    if context := traceparent() or message.traceparent:
        all_headers[HEADER] = context
    return Basic.Properties(
        content_type=CONTENT_TYPE,
        headers={**all_headers},
        delivery_mode=PERSISTENT if persistent else TRANSIENT,
        message_id=str(message.message_id),
        timestamp=message.sent_at,
        message_type=message.kind,
        app_id=sender,
        reply_to=reply_to,
        correlation_id=correlation_id,
        expiration=None if expiration_seconds is None else milliseconds(expiration_seconds),
    )


def milliseconds(seconds: float) -> str:
    """As AMQP wants an expiration: whole milliseconds as text, at least one."""
    return str(max(1, round(seconds * 1_000)))


def context_of(command: Message, message: DeliveredMessage) -> str | None:
    """The trace context that a message came with. Its header is nearer than its body, in which it
    stands as it was when the message was made."""
    came = valid_traceparent(header_text(message, HEADER))
    return came or valid_traceparent(command.traceparent)


def header_text(message: DeliveredMessage, name: str) -> str | None:
    """A header of a delivery when it is there and is text."""
    value = (message.header.properties.headers or {}).get(name)
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return value if isinstance(value, str) else None

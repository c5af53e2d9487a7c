"""Messages in traces, by OpenTelemetry's conventions for messaging and for RabbitMQ
(https://opentelemetry.io/docs/specs/semconv/messaging/rabbitmq/).

Comes in: a message that is sent, or one in hand. Goes out: a span, or nothing that costs anything.
"""

from __future__ import annotations

from uuid import UUID

from shared import tracing
from shared.messaging.delivery import Delivery
from shared.tracing import Attribute, Kind, Span

_SEND, _PROCESS = "send", "process"


def sending(
    exchange: str, routing_key: str, kind: str, message_id: UUID, *, kept: str | None = None
) -> Span:
    """Around sending it, and waiting for its answer where there is one. `kept` is the context that
    was kept with it, if it was made earlier: then whatever is being done now does not count."""
    if not tracing.is_on():
        return tracing.NOTHING
    name = f"{_SEND} {exchange or routing_key}"
    attributes = {
        **_message(_SEND, kind, str(message_id)),
        "messaging.destination.name": f"{exchange}:{routing_key}" if exchange else routing_key,
        "messaging.rabbitmq.destination.routing_key": routing_key,
    }
    if kept is not None:
        return tracing.within(name, Kind.PRODUCER, kept, attributes)
    return tracing.span(name, Kind.PRODUCER, attributes)


def processing(queue: str, delivery: Delivery) -> Span:
    """Around a message in hand, up to its answer. Without a context it begins a trace."""
    context = delivery.traceparent
    if not tracing.is_on():
        return tracing.NOTHING if context is None else tracing.begin("", Kind.CONSUMER, context)
    attributes = {
        **_message(_PROCESS, delivery.kind, delivery.message_id),
        "messaging.destination.name": queue,
    }
    return tracing.begin(f"{_PROCESS} {queue}", Kind.CONSUMER, context, attributes)


def _message(operation: str, kind: str, message_id: str) -> dict[str, Attribute]:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.message.id": message_id,
        "tallyport.message.kind": kind,
    }

"""CloudEvents 1.0 in AMQP's binary mode: attributes in headers, the event itself in the body.

In: an event message and who sends it. Out: the headers. The prefix is the AMQP binding's; the `:`
form is the one that every reader has to understand.
"""

from __future__ import annotations

from shared.contracts.message import Message

SPEC_VERSION = "1.0"


def cloud_event_headers(message: Message, source: str) -> dict[str, str]:
    """`source` is a URI reference that names the sender, e.g. `/tallyport/report_worker`.
    Source and id together are unique; a repeated delivery has the same id."""
    headers = {
        "cloudEvents:specversion": SPEC_VERSION,
        "cloudEvents:id": str(message.message_id),
        "cloudEvents:type": message.kind,
        "cloudEvents:source": source,
        "cloudEvents:time": message.sent_at.isoformat(),
    }
    if message.traceparent:
        headers["cloudEvents:traceparent"] = message.traceparent
    return headers

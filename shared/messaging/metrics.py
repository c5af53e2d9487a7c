"""What messaging counts, for `/metrics`. Labels come from closed sets (queues, kinds, outcomes)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

HANDLED = Counter(
    "tallyport_messages_handled_total", "Messages taken from a queue.", ("queue", "kind", "outcome")
)
HANDLING_SECONDS = Histogram(
    "tallyport_message_handling_seconds",
    "From delivery to settlement, waiting for a free slot included.",
    ("queue",),
    buckets=SECONDS_BUCKETS,
)
WAIT_SECONDS = Histogram(
    "tallyport_message_wait_seconds",
    "From when a message was made to when its handler begins: outbox, broker and slot included.",
    ("queue",),
    buckets=(*SECONDS_BUCKETS, 300, 900, 3_600),
)
RETRIES = Counter(
    "tallyport_message_retries_total", "Handlers that are to be run once more.", ("queue", "code")
)
DEAD_LETTERED = Counter(
    "tallyport_dead_letters_total", "Messages put into the dead-letter queue.", ("queue", "code")
)
QUEUE_MESSAGES = Gauge(
    "tallyport_queue_messages", "Messages that wait in the queue, by its own count.", ("queue",)
)
QUEUE_CONSUMERS = Gauge(
    "tallyport_queue_consumers", "Consumers of the queue, of all processes.", ("queue",)
)
IN_HAND = Gauge("tallyport_messages_in_hand", "Messages delivered and not finished.", ("queue",))
PUBLISHED = Counter(
    "tallyport_messages_published_total", "Publications with confirms.", ("outcome",)
)
RPC_SECONDS = Histogram(
    "tallyport_rpc_seconds",
    "From a question to its answer, as the asker sees it.",
    ("kind", "outcome"),
    buckets=SECONDS_BUCKETS,
)
REGISTERED = Gauge(
    "tallyport_consumer_registered",
    "1 while the broker has our consumer at the queue, or there is no room for more messages.",
    ("queue",),
)
CONNECTED = Gauge("tallyport_broker_connected", "1 while the connection is up.", ("connection",))

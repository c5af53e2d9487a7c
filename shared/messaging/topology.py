"""What exists on the broker, as plain values.

Comes in: the queues and exchanges that `shared.contracts.routes` names. Goes out: `TOPOLOGY`, which
`declaration` declares at every connect; `POLICIES`; and `definitions`, all of it as the JSON that
`rabbitmqctl import_definitions` and `load_definitions` take.

A queue is declared with its type and nothing else: arguments never change without deleting the
queue. What may change (dead-lettering, limits, time to live) is policy. Our own code does not
rely on policies: it publishes dead letters itself, confirmed, before it acknowledges.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts import routes
from shared.contracts.routes import QueueType

DEAD_LETTERS_MAX = 100_000
DEAD_BYTES_MAX = 1_024 * routes.MIB
# None: looking at dead letters counts as delivering them, and RabbitMQ 4 drops what was delivered
# 20 times. 3.10 has no word for "without a limit".
DEAD_DELIVERIES_MAX = 1_000_000_000
WORK_BYTES_MAX = 4_096 * routes.MIB
# Above the consumer's own limit (intake.DELIVERIES_MAX), which says why; this one is the last net.
DELIVERIES_MAX = 20
# Deadlines of questions are shorter; what expired unnoticed does not pile up.
QUESTION_MILLISECONDS = 120_000
REPLY_QUEUE_PREFIX = routes.REPLY_QUEUE_PREFIX
REPLIES_MAX = 100_000
OTHER_REPLIES_BYTES_MAX = 256 * routes.MIB
CANCEL_QUEUE_PREFIX = "tallyport.cancel."
CANCELLATIONS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange. What none of its bindings takes goes to `alternate`, if there is one: an
    argument and no policy, for nothing would be answered without."""

    name: str
    type: str
    alternate: str | None = None

    @property
    def arguments(self) -> dict[str, str]:
        return {"alternate-exchange": self.alternate} if self.alternate else {}


@dataclass(frozen=True, slots=True)
class BoundQueue:
    """A durable queue, its type, and the one binding that feeds it."""

    name: str
    type: QueueType
    exchange: str
    routing_key: str

    @property
    def arguments(self) -> dict[str, str]:
        return {"x-queue-type": self.type.value}


@dataclass(frozen=True, slots=True)
class Topology:
    exchanges: tuple[Exchange, ...]
    queues: tuple[BoundQueue, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules that the broker applies to the queues whose name matches `pattern`."""

    name: str
    pattern: str
    apply_to: str
    definition: Mapping[str, str | int]


def work_queue(queue: routes.Queue) -> BoundQueue:
    """A queue of the contract, fed by its exchange."""
    return BoundQueue(queue.name, queue.type, queue.exchange, queue.name)


TOPOLOGY = Topology(
    exchanges=(
        Exchange(routes.COMMANDS, "direct"),
        Exchange(routes.BUILDS, "direct"),
        Exchange(routes.WISHES, "direct"),
        Exchange(routes.EVENTS_EXCHANGE, "topic"),
        Exchange(routes.CANCELLATIONS, "fanout"),
        Exchange(routes.DEAD, "fanout"),
        Exchange(routes.OTHER_REPLIES, "fanout"),
        Exchange(routes.REPLIES, "direct", alternate=routes.OTHER_REPLIES),
    ),
    queues=(
        BoundQueue(routes.DEAD_QUEUE, QueueType.QUORUM, routes.DEAD, ""),
        BoundQueue(routes.OTHER_REPLIES, QueueType.CLASSIC, routes.OTHER_REPLIES, ""),
        *map(work_queue, routes.QUEUES),
    ),
)

# What earlier versions bound and this one does not: (exchange, queue). Nobody takes it away by
# itself, for as long as an earlier version runs beside this one it is needed.
EARLIER_BINDINGS = (
    (routes.COMMANDS, routes.BUILD_SMALL.name),
    (routes.COMMANDS, routes.BUILD_LARGE.name),
)


def _exactly(*names: str) -> str:
    return f"^({'|'.join(re.escape(name) for name in names)})$"


POLICIES: tuple[Policy, ...] = (
    Policy(
        "tallyport-work",
        _exactly(*(queue.name for queue in routes.QUEUES if queue.type is QueueType.QUORUM)),
        "queues",
        {
            # At least once needs reject-publish: the queue refuses instead of dropping its oldest.
            "dead-letter-exchange": routes.DEAD,
            "dead-letter-strategy": "at-least-once",
            "overflow": "reject-publish",
            "delivery-limit": DELIVERIES_MAX,
            "max-length-bytes": WORK_BYTES_MAX,
        },
    ),
    *(
        Policy(
            f"tallyport-questions-{queue.owner.value}",
            _exactly(queue.name),
            "queues",
            # The oldest question is the one whose asker gives up first.
            {
                "overflow": "drop-head",
                "message-ttl": QUESTION_MILLISECONDS,
                **({"max-length": queue.length_max} if queue.length_max else {}),
            },
        )
        for queue in routes.QUEUES
        if queue.type is QueueType.CLASSIC
    ),
    Policy(
        "tallyport-dead",
        _exactly(routes.DEAD_QUEUE),
        "queues",
        # Refusing here would stop the workers that have something to put away.
        {
            "overflow": "drop-head",
            "max-length": DEAD_LETTERS_MAX,
            "max-length-bytes": DEAD_BYTES_MAX,
            "delivery-limit": DEAD_DELIVERIES_MAX,
        },
    ),
    Policy(
        "tallyport-replies",
        f"^{re.escape(REPLY_QUEUE_PREFIX)}",
        "queues",
        {"message-ttl": QUESTION_MILLISECONDS, "max-length": REPLIES_MAX},
    ),
    Policy(
        "tallyport-other-replies",
        _exactly(routes.OTHER_REPLIES),
        "queues",
        {
            "overflow": "drop-head",
            "message-ttl": QUESTION_MILLISECONDS,
            "max-length": REPLIES_MAX,
            "max-length-bytes": OTHER_REPLIES_BYTES_MAX,
        },
    ),
    Policy(
        "tallyport-cancellations",
        f"^{re.escape(CANCEL_QUEUE_PREFIX)}",
        "queues",
        {"message-ttl": QUESTION_MILLISECONDS, "max-length": CANCELLATIONS_MAX},
    ),
)


def definitions(vhost: str = "/") -> dict[str, list[dict[str, Any]]]:
    """Exchanges, queues, bindings and policies of one virtual host as RabbitMQ definitions.

    It holds neither users nor permissions. A node that loads definitions at its first boot makes
    no default user: whoever starts it so adds both.
    """
    return {
        "exchanges": [
            {
                "name": exchange.name,
                "vhost": vhost,
                "type": exchange.type,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": exchange.arguments,
            }
            for exchange in TOPOLOGY.exchanges
        ],
        "queues": [
            {
                "name": queue.name,
                "vhost": vhost,
                "durable": True,
                "auto_delete": False,
                "arguments": queue.arguments,
            }
            for queue in TOPOLOGY.queues
        ],
        "bindings": [
            {
                "source": queue.exchange,
                "vhost": vhost,
                "destination": queue.name,
                "destination_type": "queue",
                "routing_key": queue.routing_key,
                "arguments": {},
            }
            for queue in TOPOLOGY.queues
        ],
        "policies": [
            {
                "vhost": vhost,
                "name": policy.name,
                "pattern": policy.pattern,
                "apply-to": policy.apply_to,
                "definition": dict(policy.definition),
                "priority": 0,
            }
            for policy in POLICIES
        ],
    }

"""Making the broker have what `topology` describes.

Comes in: a live connection and the values. Goes out: a list of problems in words, empty when all
is there. One thing that cannot be declared does not keep the others from being declared.

Each declaration that the broker refuses costs its channel, so each gets a channel of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelClosed,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from shared.messaging.topology import BoundQueue, Exchange, Topology

# RabbitMQ's words, in its answer 404, for a classic queue of a cluster whose node is not there.
NODE_IS_AWAY = "is down or inaccessible"


async def declare(connection: AbstractConnection, topology: Topology) -> list[str]:
    """Declare exchanges, queues and bindings; the problems that an operator has to solve.

    A classic queue whose node is away is none of them: it exists, and is back with its node.
    Whoever consumes from it tells that it does not.
    """
    problems = [await declare_exchange(connection, one) for one in topology.exchanges]
    problems += [await declare_queue(connection, one) for one in topology.queues]
    return [problem for problem in problems if problem and NODE_IS_AWAY not in problem]


async def declare_exchange(connection: AbstractConnection, exchange: Exchange) -> str | None:
    """The exchange is there now, or the problem in words."""
    try:
        async with scratch_channel(connection) as channel:
            await channel.exchange_declare(
                exchange.name,
                exchange_type=exchange.type,
                durable=True,
                arguments={**exchange.arguments},
            )
    except ChannelPreconditionFailed as error:
        return _differs("exchange", exchange.name, error)
    except ChannelAccessRefused as error:
        return await _exists_anyway(connection, "exchange", exchange.name, error)
    except ChannelClosed as error:
        return f"exchange {exchange.name} cannot be declared: {error}"
    return None


async def declare_queue(connection: AbstractConnection, queue: BoundQueue) -> str | None:
    """The queue is there now and bound, or the problem in words."""
    try:
        async with scratch_channel(connection) as channel:
            await channel.queue_declare(queue.name, durable=True, arguments={**queue.arguments})
            await channel.queue_bind(queue.name, queue.exchange, queue.routing_key)
    except ChannelPreconditionFailed as error:
        return _differs("queue", queue.name, error)
    except ChannelAccessRefused as error:
        return await _exists_anyway(connection, "queue", queue.name, error)
    except ChannelClosed as error:
        return f"queue {queue.name} cannot be declared: {error}"
    return None


async def unbind(connection: AbstractConnection, bindings: Sequence[tuple[str, str]]) -> list[str]:
    """Take away bindings, (exchange, queue) by the queue's name; the problems that are left. One
    that is not there is none."""
    problems = []
    for exchange, queue in bindings:
        try:
            async with scratch_channel(connection) as channel:
                await channel.queue_unbind(queue, exchange, queue)
        except ChannelNotFoundEntity:
            continue
        except ChannelClosed as error:
            problems.append(f"{queue} cannot be unbound from {exchange}: {error}")
    return problems


@asynccontextmanager
async def scratch_channel(connection: AbstractConnection) -> AsyncIterator[AbstractChannel]:
    """A channel for something that may fail, and that would take its channel with it."""
    channel = await connection.channel(publisher_confirms=False)
    try:
        yield channel
    finally:
        with suppress(Exception):
            await channel.close()


def _differs(what: str, name: str, error: Exception) -> str:
    return (
        f"{what} {name} exists with other properties ({error}): drain and delete it "
        f"(rabbitmqctl delete_queue, or the management page), it will then be declared anew"
    )


async def _exists_anyway(
    connection: AbstractConnection, what: str, name: str, refusal: Exception
) -> str | None:
    """A service's user need not have the right to configure; a passive declare needs none."""
    try:
        async with scratch_channel(connection) as channel:
            if what == "exchange":
                await channel.exchange_declare(name, passive=True)
            else:
                await channel.queue_declare(name, passive=True)
    except ChannelNotFoundEntity as error:
        if NODE_IS_AWAY in str(error):
            return f"{what} {name} cannot be seen: {error}"
        return (
            f"{what} {name} does not exist and this user may not create it ({refusal}): "
            f"start the service that owns it first, or import the definitions"
        )
    except ChannelClosed as error:
        return f"{what} {name} cannot be seen: {error}"
    return None

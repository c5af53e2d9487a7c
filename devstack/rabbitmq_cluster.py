"""A RabbitMQ cluster of private nodes on one machine, for tests that kill its leaders.

In: a run folder and how many nodes. Out: the nodes, each with a folder and ports of its own, one
port mapper for all of them, and the addresses of all as the services take them.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from devstack import broker_users, rabbitmq, rabbitmq_package, run_folder, watchdog
from devstack.errors import EngineError
from devstack.processes import stop_all
from devstack.rabbitmq import VHOST, RabbitMQ


class RabbitMQCluster:
    """`nodes`, of which any may be killed and started again."""

    def __init__(self, nodes: list[RabbitMQ]) -> None:
        self.nodes = nodes

    @property
    def urls(self) -> str:
        """All addresses, separated by commas."""
        return ",".join(node.url for node in self.nodes)

    def leader(self, queue: str, vhost: str = VHOST) -> RabbitMQ:
        """The node that leads a quorum queue now, as a living node has it. Raises EngineError."""
        asked = next(node for node in self.nodes if node.child.alive())
        told = asked.evaluate(
            f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, '
            f'<<"{queue}">>)), {{_, Node}} = amqqueue:get_pid(Q), Node'
        ).strip("'")
        for node in self.nodes:
            if node.settings.node == told:
                return node
        raise EngineError(f"{queue} is led by {told}, which is no node of this cluster")


def node_names(nodes: int = 3) -> tuple[str, ...]:
    """What they call one another."""
    return tuple(f"tallyport{number}@localhost" for number in range(1, nodes + 1))


@contextmanager
def temporary_cluster(
    run_dir: Path, *, nodes: int = 3, configuration: str | None = None
) -> Iterator[RabbitMQCluster]:
    """Start the nodes in folders below `run_dir`; stop and remove them after, even if this process
    is killed. With a `configuration` for their files they all start at once, as containers do."""
    script = rabbitmq_package.server_script()
    folders = [run_dir.resolve() / f"node{number}" for number in range(1, nodes + 1)]
    names = node_names(nodes)
    for folder in folders:
        folder.mkdir(parents=True)
    first = rabbitmq.prepare(folders[0])
    made: list[RabbitMQ] = []
    for folder, name in zip(folders, names, strict=True):
        own = rabbitmq.prepare(folder)
        shared = {"epmd_port": first.epmd_port, "password": first.password, "cookie": first.cookie}
        update = {**shared, "node": name, "peers": names, "configuration": configuration or ""}
        settings = own.model_copy(update=update)
        made.append(RabbitMQ(folder, settings, script, epmd=made[0].epmd if made else None))
    try:
        for folder in folders:
            watchdog.child(folder).start()
        made[0].epmd.start()
        if configuration is None:
            made[0].start()  # the others join it
        with ThreadPoolExecutor(nodes) as pool:
            list(pool.map(RabbitMQ.start, made))
        if configuration is None:  # such files name users of their own
            broker_users.let_in(made[0], made[0].url)
        yield RabbitMQCluster(made)
    finally:
        for folder in folders:
            stop_all(folder)
            run_folder.wipe(folder)

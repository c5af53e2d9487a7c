"""The engines that devstack starts are real, answer, and keep what they were told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aio_pika
import asyncpg
import pytest
from aio_pika.abc import AbstractChannel, AbstractQueue
from aiormq.abc import FieldTable

from devstack import process_table
from devstack.engines import RunningEngines, start_engines

pytestmark = pytest.mark.timeout(180)

QUORUM: FieldTable = {"x-queue-type": "quorum"}
ANSWER_SECONDS = 30


async def quorum_queue(channel: AbstractChannel, name: str) -> AbstractQueue:
    return await channel.declare_queue(name, durable=True, arguments=QUORUM)


async def publish(channel: AbstractChannel, queue: str, body: bytes) -> None:
    message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await channel.default_exchange.publish(message, queue, timeout=ANSWER_SECONDS)


async def test_postgres_is_18_and_sorts_by_code_point_in_utc(running: RunningEngines) -> None:
    connection = await asyncpg.connect(running.engines.database_url)
    try:
        assert connection.get_server_version().major == 18
        letters = "SELECT array_agg(x ORDER BY x) FROM unnest(ARRAY['b', 'ä', 'B', 'a']) AS x"
        assert await connection.fetchval(letters) == ["B", "a", "b", "ä"]
        assert await connection.fetchval("SELECT lower('ÄÖ')") == "äö"
        wanted = {
            "TimeZone": "UTC",
            "server_encoding": "UTF8",
            "client_connection_check_interval": "1s",
            "max_connections": "300",
            "wal_level": "replica",
            "fsync": "off",
            "password_encryption": "scram-sha-256",
        }
        for name, value in wanted.items():
            assert await connection.fetchval("SELECT current_setting($1)", name) == value, name
    finally:
        await connection.close()


async def test_postgres_refuses_a_wrong_password(running: RunningEngines) -> None:
    password = running.postgres.settings.password
    wrong = running.engines.database_url.replace(password, "x" * len(password))
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(wrong)


async def test_postgres_recovers_from_a_kill(running: RunningEngines) -> None:
    connection = await asyncpg.connect(running.engines.database_url)
    await connection.execute("CREATE TABLE IF NOT EXISTS survivors (name text)")
    await connection.execute("INSERT INTO survivors VALUES ('Ada')")
    running.postgres.kill()
    with pytest.raises((asyncpg.PostgresConnectionError, OSError)):
        await connection.fetchval("SELECT 1")
    running.postgres.start()
    connection = await asyncpg.connect(running.engines.database_url)
    assert await connection.fetchval("SELECT name FROM survivors") == "Ada"
    await connection.execute("DROP TABLE survivors")
    await connection.close()


async def test_a_message_goes_through_a_quorum_queue(running: RunningEngines) -> None:
    async with await aio_pika.connect(running.engines.broker_url) as connection:
        channel = await connection.channel()
        queue = await quorum_queue(channel, "devstack.roundtrip")
        await publish(channel, queue.name, b"hello")
        message = await queue.get(timeout=ANSWER_SECONDS)
        assert message is not None
        assert message.body == b"hello"
        await message.ack()
        await queue.delete(if_unused=False, if_empty=False)  # quorum queues know neither


async def test_a_persistent_message_survives(running: RunningEngines) -> None:
    """Restart, application restart, SIGKILL: in this order, for RabbitMQ 3.10 writes down new
    quorum queues with a delay, and one that is killed before that never gets a leader again."""
    name = "devstack.survives"
    rabbitmq = running.rabbitmq

    def application() -> None:
        rabbitmq.stop_app()
        rabbitmq.start_app()

    def power_cut() -> None:
        rabbitmq.kill()
        rabbitmq.start()

    for interrupt in (rabbitmq.restart, application, power_cut):
        body = interrupt.__name__.encode()
        async with await aio_pika.connect(running.engines.broker_url) as connection:
            channel = await connection.channel()
            await quorum_queue(channel, name)
            await publish(channel, name, body)
        await asyncio.to_thread(interrupt)
        async with await aio_pika.connect(running.engines.broker_url) as connection:
            channel = await connection.channel()
            queue = await quorum_queue(channel, name)
            message = await queue.get(timeout=ANSWER_SECONDS)
            assert message is not None
            assert message.body == body
            await message.ack()


def test_the_command_line_of_the_broker_talks_to_our_node(running: RunningEngines) -> None:
    assert running.rabbitmq.ctl("list_vhosts", "name").split() == ["name", "tallyport"]


def test_starting_twice_finds_the_running_ones(running: RunningEngines) -> None:
    again = start_engines(running.run_dir, durable=False)
    assert again.engines == running.engines
    assert again.postgres.child.process == running.postgres.child.process
    assert again.rabbitmq.child.process == running.rabbitmq.child.process


def test_only_what_died_is_started_again(running: RunningEngines) -> None:
    children = [running.postgres.child, running.rabbitmq.child, *running.object_store.children]
    before = {child.name: child.process for child in children}
    running.object_store.kill()
    assert start_engines(running.run_dir, durable=False).engines == running.engines
    after = {child.name: child.process for child in children}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {child.name for child in running.object_store.children}


def test_secrets_are_for_their_owner_only(running: RunningEngines) -> None:
    state = running.run_dir / "state.json"
    assert state.stat().st_mode & 0o777 == 0o600
    password = running.rabbitmq.settings.password.encode()
    for path in running.run_dir.rglob("*"):
        if path.is_file() and path.stat().st_size < 100_000 and password in path.read_bytes():
            closed = (
                path,
                *(parent for parent in path.parents if running.run_dir in parent.parents),
            )
            assert any(not part.stat().st_mode & 0o077 for part in closed), path


def test_everything_listens_on_this_machine_only(running: RunningEngines) -> None:
    mine = process_table.marked(lambda mark: Path(mark).parent == running.run_dir / "pids")
    assert len(mine) >= 7
    for table, loopback in (("tcp", "0100007F"), ("tcp6", "0" * 24 + "01000000")):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[3] == "0A" and any(process_table.listens(p, int(port, 16)) for p in mine):
                assert address == loopback, line

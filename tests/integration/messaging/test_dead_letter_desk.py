"""The dead-letter desk on a real broker and a real database: what an operator sees and does."""

from __future__ import annotations

import hashlib
import io
import json
import os
from datetime import UTC, datetime

import pytest
from rich.console import Console

from cli.command import Answer
from cli.dead import dead_history, dead_list, dead_purge, dead_redrive, dead_show
from cli.dead_letter_desk import Desk, Filter
from cli.outcomes import RefusedError, UnreachableError, UsageError
from devstack.rabbitmq import RabbitMQ
from shared.contracts.recording import RecordItems
from shared.contracts.routes import DEAD, DEAD_QUEUE, QUESTIONS, RECORDS
from shared.database import dead_letter_actions
from shared.database.pool import Database
from shared.errors import InvalidArgumentError
from shared.messaging import dead_letter_queue
from shared.messaging.connection import Broker
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letter import REDRIVEN_BY, REDRIVES
from shared.messaging.dead_letter_queue import DeadLetterQueue
from shared.messaging.dead_letters import QUEUE, REASON
from shared.messaging.delivery import Delivery
from shared.messaging.publisher import Publisher
from shared.settings import BrokerSettings, DatabaseSettings
from tests.engines import EnginesUnderTest
from tests.integration.messaging.amqp import Raw, close_all_connections, items, until
from tests.integration.messaging.desk import bury, listed, tallyport_dead

KILLED = -9
ANY = Filter().matches


@pytest.fixture(autouse=True)
def environment(
    url: str, database_settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the command line finds its engines."""
    monkeypatch.setenv("TALLYPORT_BROKER_URL", url)
    monkeypatch.setenv("TALLYPORT_DATABASE_URL", database_settings.url.get_secret_value())


async def _actions(database: Database, message_id: str) -> list[tuple[str, str]]:
    """(action, result) of all that was done with a message, the oldest first."""
    async with database.acquire() as connection:
        found = await dead_letter_actions.newest(connection, limit=1_000)
    return [(a["action"], a["result"]) for a in reversed(found) if a["message_id"] == message_id]


async def _all_back(raw: Raw, count: int, *, seconds: float = 30.0) -> None:
    """The broker gives back in its own time what a look has held."""

    async def is_so() -> bool:
        return await raw.depth(DEAD_QUEUE) == count

    await until(is_so, what=f"{count} dead letters", seconds=seconds)


async def test_a_look_changes_neither_order_nor_number(raw: Raw) -> None:
    names = [f"m{number}" for number in range(40)]
    for name in names:
        await bury(raw, name)
    for _ in range(3):
        await _all_back(raw, len(names))
        assert await listed() == names
    # As the next consumer gets them.
    assert [(await raw.take_dead()).header.properties.message_id for _ in names] == names


async def test_what_is_listed_and_what_is_not(raw: Raw) -> None:
    await bury(raw, "a", code="conflict", reason="Order-17 is there")
    await bury(raw, "b", queue="tallyport.report.request", died_at="2026-03-01T00:00:00+00:00")
    await bury(raw, "c", body=b'{"store_id": 8}')
    await raw.publish_to(DEAD, "", b"\x00\xff", headers={})
    first = (await dead_list()).data
    assert first["looked_at"] == 4
    assert first["dead_letters"][0] | {"id": "", "body_bytes": 0} == {
        "id": "",
        "message_id": "a",
        "queue": "tallyport.record",
        "kind": "record.items.v1",
        "store_id": 7,
        "reason_code": "conflict",
        "reason": "Order-17 is there",
        "died_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "deaths": 1,
        "redrives": 0,
        "body_bytes": 0,
    }
    for options, expected in (
        ({"reason": "order-17"}, ["a"]),
        ({"reason": "conflict"}, ["a"]),
        ({"queue": "tallyport.report.request"}, ["b"]),
        ({"since": "2026-02-01"}, ["b"]),
        ({"since": "2026-03-01T00:00:01Z"}, []),
        ({"store": 8, "kind": "record.items.v1"}, ["c"]),
    ):
        await _all_back(raw, 4)
        assert await listed(**options) == expected
    await _all_back(raw, 4)
    limited = (await dead_list(limit=1)).data
    assert [one["message_id"] for one in limited["dead_letters"]] == ["a"]
    assert limited["more"] == 3


async def test_one_is_shown_whole(raw: Raw) -> None:
    await bury(raw, "a", headers={"x-tenant": "tea"}, correlation_id="c-1")
    await bury(raw, "b", body=b"\x00\x01tea\xff")
    shown = await dead_show(letter_id="a")
    assert shown.data["headers"]["x-tenant"] == "tea"
    assert shown.data["properties"]["correlation_id"] == "c-1"
    assert shown.data["body"] == '{"kind": "record.items.v1", "store_id": 7}'
    await _all_back(raw, 2)
    cut_off = (await dead_show(letter_id="b", body_bytes=2)).data
    assert (cut_off["body_hex"], cut_off["body_cut_off"]) == ("0001", True)
    await _all_back(raw, 2)
    with pytest.raises(RefusedError, match="no dead letter nobody among 2"):
        await dead_show(letter_id="nobody")


TOKEN = "tp_0123456789abcdefghijABCDEFGHIJ-_klmnopqrstu"
SECRETS = {
    "token": TOKEN,
    "authorization": f"Bearer {TOKEN[3:]}",
    "link": "http://files/x.csv?X-Amz-Credential=theirs&X-Amz-Signature=" + "0f" * 32,
    "address": "amqp://gateway:hunter2hunter2@127.0.0.1:5672/",
}


def _as_people_see(answer: Answer) -> str:
    console = Console(file=io.StringIO(), width=250)
    console.print(answer.shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


HIDDEN = (TOKEN[3:], "0f" * 32, "hunter2hunter2")


@pytest.mark.parametrize("is_json", [True, False])
async def test_what_is_secret_in_a_letter_is_neither_shown_nor_kept(
    raw: Raw, database: Database, *, is_json: bool
) -> None:
    body = json.dumps({"kind": "record.items.v1", "store_id": 7, "note": SECRETS}).encode()
    if not is_json:
        body = b"\x00" + " ".join(SECRETS.values()).encode()
    await bury(
        raw,
        "m",
        body=body,
        reason=f"no such token: {TOKEN}",
        headers={"x-all": list(SECRETS.values()), **SECRETS},
        app_id=SECRETS["address"],
    )
    shown = await dead_show(letter_id="m")
    # It is shown, and is what it was but for that.
    told = shown.data["body"] if is_json else bytes.fromhex(shown.data["body_hex"]).decode()
    assert "amqp://gateway:***@127.0.0.1:5672/" in told
    assert not is_json or json.loads(told)["store_id"] == 7
    await _all_back(raw, 1)
    in_a_table = await dead_list()
    await _all_back(raw, 1)
    await dead_purge(ids=["m"], yes=True)
    answers = (shown, in_a_table, await dead_history(limit=1))
    async with database.acquire() as connection:
        kept = await connection.fetchval(
            "SELECT a::text || encode(a.body_start, 'escape') FROM dead_letter_actions AS a"
            " WHERE body_sha256 = $1",
            hashlib.sha256(body).hexdigest(),
        )
    texts = [json.dumps(answer.data, default=str) for answer in answers]
    texts += [_as_people_see(answer) for answer in answers]
    for text in (*texts, kept):
        assert text
        # A long line is wrapped in a table.
        assert [secret for secret in HIDDEN if secret in text.replace("\n", "")] == []


async def test_a_message_dies_is_sent_on_and_is_handled(
    broker: Broker, raw: Raw, database: Database
) -> None:
    refusing = True
    handled: list[RecordItems] = []

    async def record(command: RecordItems, _delivery: Delivery) -> None:
        if refusing:
            raise InvalidArgumentError("no such register")
        handled.append(command)

    consumer = Consumer(broker, RECORDS, {RecordItems: record})
    await consumer.start()
    command = items()
    name = str(command.message_id)
    await Publisher(broker).publish(command)
    await _all_back(raw, 1)
    again = await dead_redrive(ids=[name], name="Ada")
    assert [one["queue"] for one in again.data["redriven"]] == ["tallyport.record"]
    await _all_back(raw, 1)
    (letter,) = (await dead_list()).data["dead_letters"]
    assert (letter["message_id"], letter["deaths"], letter["redrives"]) == (name, 2, 1)

    refusing = False
    await _all_back(raw, 1)
    await dead_redrive(reason="no such register")
    await until(lambda: bool(handled), what="the message to be handled")
    await consumer.stop(5)
    assert handled == [command]
    assert await raw.depth(DEAD_QUEUE) == 0
    assert await _actions(database, name) == [("redrive", "done"), ("redrive", "done")]
    history = (await dead_history(limit=1_000)).data["actions"]
    mine = [one for one in history if one["message_id"] == name]
    assert "Ada (" in mine[-1]["actor"]
    assert mine[-1]["reason"] == "no such register"


async def test_what_is_sent_on_is_the_message_that_died(raw: Raw) -> None:
    await bury(raw, "a", headers={"traceparent": "00-1"}, reply_to="gone", correlation_id="c-1")
    await dead_redrive(everything=True, name="Ada")
    message = await raw.take(RECORDS.name)
    properties = message.header.properties
    assert properties.headers is not None
    assert message.body == b'{"kind": "record.items.v1", "store_id": 7}'
    assert (properties.message_id, properties.message_type) == ("a", "record.items.v1")
    assert (properties.correlation_id, properties.delivery_mode) == ("c-1", 2)
    # An answer to nobody would be the end of it, should it fail again.
    assert properties.reply_to is None
    assert properties.headers["traceparent"] == "00-1"
    assert properties.headers[REDRIVES] == 1
    assert str(properties.headers[REDRIVEN_BY]).startswith("Ada (")
    assert QUEUE not in properties.headers
    assert REASON not in properties.headers


async def test_one_that_nobody_takes_stays_and_is_named(raw: Raw, database: Database) -> None:
    stray, good = os.urandom(8).hex(), os.urandom(8).hex()
    await bury(raw, stray, queue="gone.queue")
    await bury(raw, "asked", queue=QUESTIONS.name)
    await raw.publish_to(DEAD, "", b"{}", message_id="unknown", headers={})
    await bury(raw, good)
    with pytest.raises(RefusedError) as refused:
        await dead_redrive(everything=True)
    text = str(refused.value)
    assert "1 of 4 dead letters were sent on" in text
    assert "no queue takes gone.queue" in text
    assert "a question whose asker is gone" in text
    assert "which queue it came from" in text
    await _all_back(raw, 3)
    assert await listed() == [stray, "asked", "unknown"]
    assert await raw.depth(RECORDS.name) == 1
    assert await _actions(database, stray) == [("redrive", "refused")]
    assert await _actions(database, good) == [("redrive", "done")]


async def test_killed_between_publish_and_acknowledgement(raw: Raw, database: Database) -> None:
    name = os.urandom(8).hex()
    await bury(raw, name)
    await bury(raw, "other")
    kill = (
        "import os, signal\n"
        "from shared.messaging.dead_letter_queue import DeadLetterQueue\n"
        "async def die(self, message): os.kill(os.getpid(), signal.SIGKILL)\n"
        "DeadLetterQueue._acknowledge = die"
    )
    assert (await tallyport_dead("redrive", name, code=kill)).exit_code == KILLED
    assert await raw.depth(RECORDS.name) == 1
    await _all_back(raw, 2)
    assert await listed() == [name, "other"]
    assert await _actions(database, name) == [("redrive", "started")]
    await _all_back(raw, 2)
    await dead_redrive(ids=[name])
    assert await raw.depth(RECORDS.name) == 2
    await _all_back(raw, 1)
    assert await listed() == ["other"]
    assert await _actions(database, name) == [("redrive", "started"), ("redrive", "done")]


async def test_what_is_thrown_away_is_written_down(raw: Raw, database: Database) -> None:
    name = os.urandom(8).hex()
    body = b'{"store_id": 7, "padding": "' + b"x" * 20_000 + b'"}'
    await bury(raw, name, body=body)
    await bury(raw, "other", code="conflict")
    with pytest.raises(UsageError, match="say which"):
        await dead_purge(yes=True)
    dry = await dead_purge(ids=[name], dry_run=True)
    assert [one["message_id"] for one in dry.data["would"]] == [name]
    await _all_back(raw, 2)
    await dead_purge(reason="malformed", yes=True, name="Ada")
    await _all_back(raw, 1)
    assert await listed() == ["other"]
    async with database.acquire() as connection:
        found = await dead_letter_actions.newest(connection, limit=1_000)
    (action,) = [one for one in found if one["message_id"] == name]
    assert (action["action"], action["result"]) == ("purge", "done")
    assert action["actor"].startswith("Ada (")
    assert action["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert (action["body_bytes"], action["body_start"]) == (len(body), body[: 8 * 1024])
    assert action["ended_at"] >= action["started_at"]


async def test_nothing_is_thrown_away_unasked(raw: Raw) -> None:
    await bury(raw, "a")
    ended = await tallyport_dead("purge", "a")
    assert (ended.exit_code, await raw.depth(DEAD_QUEUE)) == (2, 1)
    assert "--yes" in ended.stderr


async def test_no_broker_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYPORT_BROKER_URL", "amqp://me:hidden@127.0.0.1:1/")
    monkeypatch.setenv("TALLYPORT_BROKER_CONNECT_SECONDS", "0.5")
    with pytest.raises(UnreachableError, match="TALLYPORT_BROKER_URL") as unreachable:
        await dead_list()
    assert "hidden" not in str(unreachable.value)


async def test_the_broker_is_lost_in_the_middle(
    raw: Raw, broker: Broker, database: Database, rabbit: RabbitMQ, vhost: str
) -> None:
    names = [os.urandom(8).hex() for _ in range(3)]
    for name in names:
        await bury(raw, name)
    async with DeadLetterQueue.open(broker) as queue:
        look = await queue.look(ANY, limit=10)
        close_all_connections(rabbit, vhost)
        await until(lambda: look.picked[0].message.channel.is_closed, what="the loss")
        done = await Desk(queue, database, "tests").redrive(look.picked)
    assert done.broke_off is not None
    assert done.letters == []
    assert await _actions(database, names[0]) == [("redrive", "failed")]
    assert await _actions(database, names[1]) == []
    await broker.consuming.wait_open()

    async def all_there() -> bool:
        async with DeadLetterQueue.open(broker) as again:
            look = await again.look(ANY, limit=10)
        return [one.letter.message_id for one in look.picked] == names

    await until(all_there, what="all three, in their order")


async def test_what_the_broker_put_away_itself(raw: Raw) -> None:
    arguments = {"x-queue-type": "quorum", "x-dead-letter-exchange": DEAD}
    await raw.channel.queue_declare("partner.work", durable=True, arguments=arguments)
    await raw.publish("partner.work", b'{"store_id": 9}', message_id="p")
    message = await raw.channel.basic_get("partner.work")
    assert message.delivery_tag is not None
    await raw.channel.basic_reject(message.delivery_tag, requeue=False)
    await _all_back(raw, 1)
    (letter,) = (await dead_list()).data["dead_letters"]
    assert (letter["queue"], letter["reason_code"]) == ("partner.work", "rejected")
    assert letter["died_at"]
    await _all_back(raw, 1)
    await dead_redrive(ids=[letter["id"]])
    again = await raw.take("partner.work")
    assert again.header.properties.headers is not None
    history = {name for name in again.header.properties.headers if name.startswith("x-")}
    assert history <= {"x-delivery-count"}


async def test_two_desks_do_not_get_the_same(
    raw: Raw, broker: Broker, settings: BrokerSettings
) -> None:
    await bury(raw, "a")
    async with (
        DeadLetterQueue.open(broker) as queue,
        Broker.open(settings, "other") as other_broker,
        DeadLetterQueue.open(other_broker) as other,
    ):
        assert len((await queue.look(ANY, limit=10)).picked) == 1
        assert (await other.look(ANY, limit=10)).picked == []


@pytest.fixture
def twenty_deliveries(engines: EnginesUnderTest, vhost: str, broker: Broker) -> None:
    """As RabbitMQ 4 has it where no policy says otherwise."""
    engines.rabbit.evaluate(
        f'rabbit_policy:set(<<"{vhost}">>, <<"limit">>, <<"^tallyport.dead$">>, '
        '[{<<"delivery-limit">>, 20}], 0, <<"queues">>, <<"tests">>)'
    )


@pytest.mark.usefixtures("twenty_deliveries")
@pytest.mark.parametrize("renewing", [True, False])
async def test_looking_does_not_use_letters_up(
    raw: Raw, broker: Broker, rabbit: RabbitMQ, monkeypatch: pytest.MonkeyPatch, renewing: bool
) -> None:
    """Without the policy of ours, on a broker that drops what was delivered 20 times. The second
    round is the control: that broker does drop them."""
    if not renewing:
        monkeypatch.setattr(dead_letter_queue, "DELIVERIES_MAX", 10**9)
    for name in ("a", "b", "c"):
        await bury(raw, name)
    told = len(rabbit.child.log.read_text(errors="replace"))
    lost = False
    for _ in range(30):
        async with DeadLetterQueue.open(broker) as queue:
            await queue.look(lambda letter: letter.message_id != "b", limit=1)
        try:
            await _all_back(raw, 3, seconds=30 if renewing else 2)
        except AssertionError:
            lost = True
            break
    assert lost is not renewing
    # All three are renewed in one look: nothing is left to be given back then.
    assert "unknown delivery tag" not in rabbit.child.log.read_text(errors="replace")[told:]
    if renewing:
        assert [(await raw.take_dead()).header.properties.message_id for _ in "abc"] == [*"abc"]

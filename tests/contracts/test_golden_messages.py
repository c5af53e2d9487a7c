"""Contracts are the constitution: what was once sent must be understood for ever.

Each kind has a golden message in `golden/`. Changing one of these files is changing the contract:
a field may be added as optional, a changed meaning is a new version.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from shared.contracts import failures, recording
from shared.contracts.failures import FailureCode
from shared.contracts.message import Message
from shared.contracts.routes import EVENTS, QUEUES, ROUTES, QueueType
from shared.errors import ERRORS, InvalidArgumentError, MalformedError, from_failure, to_failure
from shared.messaging.codec import decode, encode

GOLDEN = Path(__file__).parent / "golden"


def _classes() -> dict[str, type[Message]]:
    classes = {kind: route.message for kind, route in ROUTES.items()} | EVENTS
    for route in ROUTES.values():
        classes |= {reply.KIND: reply for reply in route.replies}
    return classes


CLASSES = _classes()


def test_every_kind_has_a_golden_message_and_no_other_is_there() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(CLASSES)


@pytest.mark.parametrize("kind", sorted(CLASSES))
def test_a_golden_message_comes_back_as_it_went(kind: str) -> None:
    golden = (GOLDEN / f"{kind}.json").read_bytes()
    message = decode(golden, CLASSES[kind])
    assert json.loads(encode(message)) == json.loads(golden)
    assert message.kind == kind


@pytest.mark.parametrize("kind", sorted(CLASSES))
def test_a_field_of_newer_code_is_no_obstacle(kind: str) -> None:
    golden = json.loads((GOLDEN / f"{kind}.json").read_bytes())
    newer = json.dumps({**golden, "added_later": {"deep": [1, 2]}}).encode()
    assert decode(newer, CLASSES[kind]) == decode(json.dumps(golden).encode(), CLASSES[kind])


@pytest.mark.parametrize("kind", sorted(CLASSES))
def test_a_message_of_another_kind_is_refused(kind: str) -> None:
    golden = json.loads((GOLDEN / f"{kind}.json").read_bytes())
    with pytest.raises(InvalidArgumentError):
        decode(json.dumps({**golden, "kind": "somebody.elses.v1"}).encode(), CLASSES[kind])


def test_money_on_the_wire_keeps_every_digit() -> None:
    body = (
        b'{"store_id":1,"register_id":1,"items":[{"unique_key":"k","originated_at":'
        b'"2024-01-01T00:00:00Z","amount":1234567890123456789012345678.0123456789}]}'
    )
    (item,) = decode(body, recording.RecordItems).items
    assert item.amount == Decimal("1234567890123456789012345678.0123456789")


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("123456789012345678901234567890123456789", "38 digits"),
        ('"NaN"', "decimal"),
        ('"1_000"', "decimal"),
        ('" 1 "', "decimal"),
        ('"١"', "decimal"),
        ("true", "number"),
        ('"ten"', "decimal"),
        ("1e38", "38 digits"),
        ("1e-39", "38 digits"),
        ("1e400", "finite"),
        ("null", "Decimal"),
    ],
)
def test_an_amount_that_is_none_is_named(amount: str, reason: str) -> None:
    body = (
        '{"store_id":1,"register_id":1,"items":[{"unique_key":"ok","originated_at":'
        '"2024-01-01T00:00:00Z","amount":1},{"unique_key":"k","originated_at":'
        f'"2024-01-01T00:00:00Z","amount":{amount}}}]}}'
    )
    with pytest.raises(InvalidArgumentError) as refused:
        decode(body.encode(), recording.RecordItems)
    (detail,) = refused.value.details
    assert (detail.index, detail.field) == (1, "items.1.amount")
    assert reason in detail.reason


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        ('"2024-01-01T00:00:00"', "timezone"),
        ("1700000000", "ISO 8601"),
        ('"0001-01-01T00:00:00Z"', "years"),
        ('"yesterday"', "datetime"),
    ],
)
def test_a_moment_that_is_none_is_named(moment: str, reason: str) -> None:
    body = (
        '{"store_id":1,"register_id":1,"items":[{"unique_key":"k","amount":1,'
        f'"originated_at":{moment}}}]}}'
    )
    with pytest.raises(InvalidArgumentError) as refused:
        decode(body.encode(), recording.RecordItems)
    assert reason in refused.value.details[0].reason


def test_numbers_in_meta_become_text_and_keep_their_zeros() -> None:
    body = (
        b'{"store_id":1,"register_id":1,"items":[{"unique_key":"k","amount":1,"originated_at":'
        b'"2024-01-01T00:00:00Z","meta":{"a":7,"b":1.50,"c":"x","d":null}}]}'
    )
    (item,) = decode(body, recording.RecordItems).items
    assert item.meta == {"a": "7", "b": "1.50", "c": "x", "d": None}


@pytest.mark.parametrize("number", ["1e999999999", "1e-999999999", "-1E+1001"])
def test_a_number_that_would_be_a_gigabyte_of_text_is_refused(number: str) -> None:
    body = (
        '{"store_id":1,"register_id":1,"items":[{"unique_key":"k","amount":1,"originated_at":'
        f'"2024-01-01T00:00:00Z","meta":{{"a":{number}}}}}]}}'
    )
    with pytest.raises(InvalidArgumentError, match="1000 digits"):
        decode(body.encode(), recording.RecordItems)


@pytest.mark.parametrize("text", [r"\u0000", r"\ud800"])
def test_text_that_cannot_be_stored_is_refused(text: str) -> None:
    body = (
        '{"store_id":1,"register_id":1,"items":[{"amount":1,"originated_at":'
        f'"2024-01-01T00:00:00Z","unique_key":"a{text}b"}}]}}'
    )
    with pytest.raises((InvalidArgumentError, MalformedError)):
        decode(body.encode(), recording.RecordItems)


def test_labels_are_a_list_or_a_map_and_differ() -> None:
    listed = recording.NewRegister.model_validate({"name": "r", "meta": ["a", "b"]})
    assert listed.meta == {"meta0": "a", "meta1": "b"}
    mapped = recording.NewRegister.model_validate({"name": "r", "meta": {"meta4": "a"}})
    assert mapped.meta == {"meta4": "a"}
    for wrong in (["a", "a"], [str(n) for n in range(11)], {"meta10": "a"}, {"meta0": ""}):
        with pytest.raises(ValueError, match=r"meta|label"):
            recording.NewRegister.model_validate({"name": "r", "meta": wrong})


def test_every_failure_code_has_its_error_and_comes_back_as_it() -> None:
    assert set(ERRORS) == set(FailureCode)
    for code, error_class in ERRORS.items():
        there = to_failure(error_class("why", retry_after_seconds=3))
        back = from_failure(decode(encode(there), failures.Failure))
        assert type(back) is error_class
        assert (back.code, back.message, back.retry_after_seconds) == (code, "why", 3)


def test_work_is_in_quorum_queues_and_only_questions_are_not() -> None:
    classic = {queue.name for queue in QUEUES if queue.type is QueueType.CLASSIC}
    assert classic == {"tallyport.aggregate.query"}
    assert {route.queue for route in ROUTES.values()} <= set(QUEUES)

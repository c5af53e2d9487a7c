"""What an answer says: gaps, order, values, text, CSV. On PostgreSQL, through the use case."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.integration.aggregator.register_under_test import MakeRegister, Row, instant

NOON = instant("2024-03-10T12:00:00Z")
MARCH = {"start_at": "2024-03-09T00:00:00Z", "end_at": "2024-03-11T00:00:00Z"}


def at_noon(*amounts: str) -> list[Row]:
    return [(NOON, Decimal(amount)) for amount in amounts]


@pytest.mark.parametrize("measure", ["item_count", "item_sum", "item_average"])
async def test_nothing_at_all(make_register: MakeRegister, measure: str) -> None:
    register = await make_register(["a"])
    assert await register.rows(measure) == [["All", "All", 0]]
    assert await register.rows(measure, group_by_period="quarter") == [
        [f"Q{quarter} 2024", "All", 0] for quarter in (1, 2, 3, 4)
    ]
    assert await register.rows(measure, group_by=["a"]) == []
    assert await register.rows(measure, group_by=["a"], group_by_period="day") == []
    title = measure.removeprefix("item_").capitalize()
    assert await register.body(measure, group_by=["a"]) == f'{{"title":"{title} by A","count":[]}}'


async def test_gaps_are_zeros_in_every_group(make_register: MakeRegister) -> None:
    register = await make_register(
        ["a"], [(NOON, Decimal(5), "x"), (instant("2024-03-11T00:00:00Z"), Decimal(7), None)]
    )
    assert await register.rows(**MARCH, group_by_period="day", group_by=["a"]) == [
        ["Mar 09 2024", "", 0],
        ["Mar 10 2024", "", 0],
        ["Mar 11 2024", "", 7],
        ["Mar 09 2024", "x", 0],
        ["Mar 10 2024", "x", 5],
        ["Mar 11 2024", "x", 0],
    ]


async def test_bounds_are_inclusive_to_the_microsecond(make_register: MakeRegister) -> None:
    times = ["2024-03-08T23:59:59.999999Z", "2024-03-09T00:00:00Z"]
    times += ["2024-03-11T00:00:00Z", "2024-03-11T00:00:00.000001Z"]
    register = await make_register(
        [], [(instant(time), Decimal(10**position)) for position, time in enumerate(times)]
    )
    assert await register.rows(**MARCH) == [["All", "All", 110]]
    # Never widened to the period's edges.
    assert await register.rows(**MARCH, group_by_period="year") == [["2024", "All", 110]]


async def test_groups_ascend_by_code_point(make_register: MakeRegister) -> None:
    # UTF-16 puts the last before the one before it; most languages put `a` before `B`.
    ordered = ["", "B", "a", "a b", "ab", "É", "é", "\uffff", "\U0001f600"]
    register = await make_register(
        ["k"], [(NOON, Decimal(1), value or None) for value in reversed(ordered)]
    )
    assert [row[1] for row in await register.rows(group_by=["k"])] == ordered


async def test_groups_of_two_columns_are_lists_in_the_order_asked(
    make_register: MakeRegister,
) -> None:
    rows: list[Row] = [(NOON, Decimal(1), "b", "1"), (NOON, Decimal(2), "a", None)]
    register = await make_register(["first", "second"], [*rows, (NOON, Decimal(3), "a", "2")])
    assert await register.rows(group_by=["first", "second"]) == [
        ["All", ["a", ""], 2],
        ["All", ["a", "2"], 3],
        ["All", ["b", "1"], 1],
    ]
    assert await register.rows(group_by=["second", "first", "second"]) == [
        ["All", ["", "a"], 2],
        ["All", ["1", "b"], 1],
        ["All", ["2", "a"], 3],
    ]
    assert '"group":["","a"],"value":2}' in await register.body(group_by=["second", "first"])


async def test_text_is_escaped(make_register: MakeRegister) -> None:
    odd = ['"', "\\", "\n", "\x01", "</script>", "ключ", "\u2028", "\x7f"]
    register = await make_register(["k"], [(NOON, Decimal(1), value) for value in odd])
    assert {row[1] for row in await register.rows(group_by=["k"])} == {*odd}


async def test_a_label_with_odd_characters(make_register: MakeRegister) -> None:
    register = await make_register(['say "hi"\\'], [(NOON, Decimal(1), "x")])
    assert await register.rows(group_by=['say "hi"\\']) == [["All", "x", 1]]
    assert (await register.body(group_by=['say "hi"\\'])).startswith(
        '{"title":"Sum by Say \\"Hi\\"\\\\","count":['
    )


@pytest.mark.parametrize(
    ("amounts", "shown"),
    [
        (("0.1", "0.1", "0.1"), "0.3"),
        (("50.00",), "50"),
        (("1.10",), "1.1"),
        (("9151.15",), "9151.15"),
        (("-5", "5.000"), "0"),
        (("1e3",), "1000"),
        (("-0.5",), "-0.5"),
        (
            ("99999999999999999999999999999999999999",) * 2,
            "199999999999999999999999999999999999998",
        ),
        (("0." + "0" * 37 + "1",), "0." + "0" * 37 + "1"),
        (("1e37", "1e-37"), "1" + "0" * 37 + "." + "0" * 36 + "1"),
    ],
)
async def test_sums_are_exact(
    make_register: MakeRegister, amounts: tuple[str, ...], shown: str
) -> None:
    register = await make_register([], at_noon(*amounts))
    assert f'"value":{shown}}}' in await register.body()
    inverted = {"0": "0"}.get(shown, shown[1:] if shown.startswith("-") else f"-{shown}")
    assert f'"value":{inverted}}}' in await register.body(invert_sign=True)


@pytest.mark.parametrize(
    ("amounts", "shown"),
    [
        (("1", "2"), "1.5"),
        (("0.1", "0.2", "0.3"), "0.2"),
        (("5", "-5"), "0"),
        (("12.30",), "12.3"),
        # 21 digits over two: more than a division gives by itself.
        (("100000000000000000000", "1"), "50000000000000000000.5"),
        (("1",) + ("0",) * 1023, "0.0009765625"),
        (("1e30", *("0",) * 1022, "1"), "976562500000000000000000000.0009765625"),
        (("1e-37", "0"), "0." + "0" * 37 + "5"),
    ],
)
async def test_averages_that_have_a_last_digit_are_shown_to_it(
    make_register: MakeRegister, amounts: tuple[str, ...], shown: str
) -> None:
    register = await make_register([], at_noon(*amounts))
    assert f'"value":{shown}}}' in await register.body("item_average")


@pytest.mark.parametrize(
    "amounts",
    [
        *(("1", "0", "0"), ("0.000000001", "0", "0"), ("2", "0", "0"), ("1e-37", "0", "0")),
        *(
            ("1e37", "0", "0"),
            ("123456789.01", *("0",) * 6),
            ("-1", "0", "0"),
            ("1e-9",) * 6 + ("0",),
        ),
    ],
)
async def test_other_averages_have_15_digits(
    make_register: MakeRegister, amounts: tuple[str, ...]
) -> None:
    register = await make_register([], at_noon(*amounts))
    [[_, _, value]] = await register.rows("item_average")
    total = sum(Decimal(amount) for amount in amounts)
    assert abs(value * len(amounts) - total) <= abs(total) * Decimal("1e-15")
    assert len(value.as_tuple().digits) >= 15
    [[_, _, inverted]] = await register.rows("item_average", invert_sign=True)
    assert inverted == value.copy_negate()


async def test_counts_keep_their_sign(make_register: MakeRegister) -> None:
    register = await make_register([], at_noon("1", "2"))
    assert '"value":2}' in await register.body("item_count", invert_sign=True)


async def test_the_same_question_gives_the_same_bytes(make_register: MakeRegister) -> None:
    rows = [(NOON, Decimal(n), f"g{n % 7}", f"h{n % 5}") for n in range(200)]
    register = await make_register(["a", "b"], rows)
    question: dict[str, Any] = {"group_by": ["a", "b"], "group_by_period": "month"}
    assert len({await register.body(**question) for _ in range(5)}) == 1


async def test_periods_are_those_of_the_zone(make_register: MakeRegister) -> None:
    register = await make_register(
        [],
        [
            (instant("2018-11-04T02:59:59.999999Z"), Decimal(1)),
            # There was no midnight: 23:59:59 was followed by 01:00:00.
            (instant("2018-11-04T03:00:00Z"), Decimal(10)),
            (instant("2018-11-05T01:59:59Z"), Decimal(100)),
            (instant("2018-11-05T02:00:00Z"), Decimal(1000)),
        ],
    )
    question = {
        "start_at": "2018-11-04T00:00:00-03:00",
        "end_at": "2018-11-05T23:59:59-02:00",
        "timezone": "America/Sao_Paulo",
        "group_by_period": "day",
    }
    assert await register.rows(**question) == [
        ["Nov 04 2018", "All", 110],
        ["Nov 05 2018", "All", 1000],
    ]
    assert await register.rows(**{**question, "start_at": "2018-11-04T02:59:00Z"}) == [
        ["Nov 03 2018", "All", 1],
        ["Nov 04 2018", "All", 110],
        ["Nov 05 2018", "All", 1000],
    ]


async def test_csv(make_register: MakeRegister) -> None:
    rows: list[Row] = [
        (NOON, Decimal("-1.50"), "plain", 'a "quoted", cell'),
        (NOON, Decimal(2), "=1+1", "two\nlines"),
        (NOON, Decimal(3), None, '@"home"'),
        (NOON, Decimal(4), "-5", "\r"),
        (NOON, Decimal(5), "+5", "a=b"),
        (NOON, Decimal(6), "\t", "it's"),
    ]
    register = await make_register(["=first", "the, second"], rows)
    question = {"representation": "csv", "group_by": ["=first", "the, second"]}
    outcome = await register.ask(**question)
    assert outcome.content_type.startswith("text/csv")
    assert await register.body(**question) == (
        'period,\'=first,"the, second",value\r\n'
        'All,,"\'@""home""",3\r\n'
        "All,'\t,it's,6\r\n"
        "All,'+5,a=b,5\r\n"
        "All,'-5,\"'\r\",4\r\n"
        'All,\'=1+1,"two\nlines",2\r\n'
        'All,plain,"a ""quoted"", cell",-1.5\r\n'
    )


async def test_csv_without_columns(make_register: MakeRegister) -> None:
    register = await make_register(["a"], at_noon("5"))
    question = {**MARCH, "representation": "csv", "group_by_period": "day"}
    assert await register.body(**question) == (
        "period,group,value\r\nMar 09 2024,All,0\r\nMar 10 2024,All,5\r\nMar 11 2024,All,0\r\n"
    )
    assert await register.body(representation="csv", group_by=["a"], end_at=MARCH["start_at"]) == (
        "period,a,value\r\n"
    )

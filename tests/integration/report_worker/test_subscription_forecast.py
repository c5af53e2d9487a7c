"""What subscriptions will bring, against a calendar on paper."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.contracts.reports import ReportName
from tests.integration.report_worker import recorded
from tests.integration.report_worker.reading import contents_of
from tests.integration.report_worker.recorded import Raw
from tests.integration.report_worker.seeding import World, queue_report

ZONE = "America/New_York"


def _subscription(key: str, sku: str, frequency: str, start: str, due: str, **more: object) -> Raw:
    return {
        "id": key,
        "customer_id": "c1",
        "sku": sku,
        "quantity": "1",
        "price": "10",
        "frequency": frequency,
        "start_date": start,
        "next_transaction_date": due,
        **more,
    }


SUBSCRIPTIONS = [
    # 29 Feb, 31 Mar, 30 Apr, 31 May, and on its end date, 30 Jun, for the last time.
    _subscription("s1", "BOX", "1m", "2023-10-31", "2024-02-29", end_date="2024-06-30", name="Box"),
    # 29 Feb; the next would be 28 Feb 2025.
    _subscription("s2", "BOX", "1y", "2020-02-29", "2024-02-29", price="99", name="A box"),
    # 20 Feb, 5 Mar, 19 Mar, at 2 times 1.005 each.
    _subscription(
        *("s3", "TEA", "2w", "2024-01-09", "2024-02-20"),
        quantity="2",
        price="1.005",
        end_date="2024-03-19",
    ),
    # Due before the twelve months; in them on 29 Feb and 30 Mar. 1.5 yen are 2, half a yen is 0.
    _subscription(
        *("s4", "YEN", "30d", "2023-12-01", "2023-12-31"),
        price="1.5",
        currency="JPY",
        end_date="2024-04-28",
    ),
    _subscription(
        *("s5", "NIL", "30d", "2023-12-01", "2023-12-31"),
        price="0.5",
        currency="JPY",
        end_date="2024-04-28",
    ),
    _subscription("s6", "OFF", "1m", "2023-10-31", "2024-02-29", is_active=False),
    _subscription("s7", "OVER", "1m", "2023-10-31", "2024-02-29", end_date="2024-01-15"),
    # Moved from the 5th to the 10th: the 10th of every month, twelve times.
    _subscription("s8", "MID", "1m", "2023-10-05", "2024-02-10", price="1"),
    # From a date long past: 29 Feb, 31 May, 31 Aug, 30 Nov; then 28 Feb 2025, which is too late.
    _subscription("s9", "QRT", "3m", "2023-08-31", "2023-11-30", price="30"),
    # The last day, and the first that is too late.
    _subscription("s10", "LAST", "1m", "2024-01-31", "2025-01-31", price="5"),
    _subscription("s11", "LATE", "1m", "2024-02-01", "2025-02-01"),
    # Five days in March.
    _subscription(
        "s12", "DAY", "1d", "2024-03-01", "2024-03-01", price="0.50", end_date="2024-03-05"
    ),
    # The first of the days ahead.
    _subscription("s13", "ONE", "999y", "2024-02-01", "2024-02-01"),
]
FORECAST = """
2024-02-01 BOX Box USD 2 2 2 109.00
2024-02-01 MID ~ USD 1 1 1 1.00
2024-02-01 NIL ~ JPY 1 1 1 0
2024-02-01 ONE ~ USD 1 1 1 10.00
2024-02-01 QRT ~ USD 1 1 1 30.00
2024-02-01 TEA ~ USD 1 1 2 2.01
2024-02-01 YEN ~ JPY 1 1 1 2
2024-03-01 BOX Box USD 1 1 1 10.00
2024-03-01 DAY ~ USD 1 5 5 2.50
2024-03-01 MID ~ USD 1 1 1 1.00
2024-03-01 NIL ~ JPY 1 1 1 0
2024-03-01 TEA ~ USD 1 2 4 4.02
2024-03-01 YEN ~ JPY 1 1 1 2
2024-04-01 BOX Box USD 1 1 1 10.00
2024-04-01 MID ~ USD 1 1 1 1.00
2024-05-01 BOX Box USD 1 1 1 10.00
2024-05-01 MID ~ USD 1 1 1 1.00
2024-05-01 QRT ~ USD 1 1 1 30.00
2024-06-01 BOX Box USD 1 1 1 10.00
2024-06-01 MID ~ USD 1 1 1 1.00
2024-07-01 MID ~ USD 1 1 1 1.00
2024-08-01 MID ~ USD 1 1 1 1.00
2024-08-01 QRT ~ USD 1 1 1 30.00
2024-09-01 MID ~ USD 1 1 1 1.00
2024-10-01 MID ~ USD 1 1 1 1.00
2024-11-01 MID ~ USD 1 1 1 1.00
2024-11-01 QRT ~ USD 1 1 1 30.00
2024-12-01 MID ~ USD 1 1 1 1.00
2025-01-01 LAST ~ USD 1 1 1 5.00
2025-01-01 MID ~ USD 1 1 1 1.00
"""


@pytest.mark.parametrize(
    "end",
    [
        datetime(2024, 2, 1, 4, 59, 59, tzinfo=UTC),  # 31 January 23:59:59 in New York
        datetime(2024, 2, 1, 5, tzinfo=UTC),  # its midnight, as who thinks of open ends says
        datetime(2024, 1, 31, 17, tzinfo=UTC),  # noon: the day has begun, it is not ahead
    ],
    ids=["last second", "midnight", "noon"],
)
async def test_the_twelve_months_ahead_are_those_of_the_calendar(
    world: World, end: datetime
) -> None:
    made = await recorded.new_store(world, timezone=ZONE, currency="USD")
    await recorded.subscriptions(made.database, made.store_id, *SUBSCRIPTIONS)
    report = await queue_report(
        made.database,
        made.store_id,
        made.user_id,
        name=ReportName.COMPLETE,
        timezone=ZONE,
        range_start=datetime(2023, 1, 1, tzinfo=UTC),
        range_end=end,
    )
    contents = await contents_of(made, report)
    rows = [[*row.values()] for row in contents.tables["subscription_forecast"]]
    assert rows == [
        [cell.replace("~", "") for cell in line.split()] for line in FORECAST.strip().splitlines()
    ]
    (told,) = [
        file["control_totals"]
        for file in contents.manifest["files"]
        if file["name"] == "subscription_forecast.csv"
    ]
    assert told == {"JPY": {"forecast": "4"}, "USD": {"forecast": "304.53"}}

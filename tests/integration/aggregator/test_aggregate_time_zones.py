"""The periods' boundaries come from Python's time zone database, and nothing but instants is sent
to PostgreSQL, so the two need not agree. But people compare answers with SQL of their own: where
they differ, it should be for a reason that is known, which is an older edition of the data.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from services.aggregator.arguments import timezone_names
from services.aggregator.periods import PeriodKind, divide
from shared.database.pool import Database

INSTANTS = [
    datetime(year, month, day, 12, tzinfo=UTC)
    for year in range(1972, 2038, 2)
    for month, day in ((1, 1), (4, 10), (7, 1), (10, 20))
]
# All of one instant in one row: 600 zones by 132 instants.
OFFSETS = """
    SELECT t.moment, (EXTRACT(epoch FROM (t.moment AT TIME ZONE $1) - (t.moment AT TIME ZONE 'UTC'))
                     )::int AS seconds
      FROM unnest($2::timestamptz[]) AS t (moment)"""
# Editions of the data differ in some countries for some years; never in most zones.
ZONES_THAT_MAY_DIFFER_MAX = 30


async def test_offsets_are_those_of_postgresql(database: Database) -> None:
    differing: Counter[str] = Counter()
    async with database.acquire() as connection:
        known = {
            row["name"] for row in await connection.fetch("SELECT name FROM pg_timezone_names")
        }
        both = sorted(timezone_names() & known)
        for name in both:
            zone = ZoneInfo(name)
            for row in await connection.fetch(OFFSETS, name, INSTANTS):
                offset = row["moment"].astimezone(zone).utcoffset()
                differing[name] += offset != timedelta(seconds=row["seconds"])
    differing = +differing
    assert len(both) > 500
    assert len(differing) <= ZONES_THAT_MAY_DIFFER_MAX, dict(differing)


async def test_odd_days_are_those_of_postgresql(database: Database) -> None:
    """The start of every day of some years, against date_trunc in the zone."""
    async with database.acquire() as connection:
        for name in ("America/Detroit", "America/Sao_Paulo", "Asia/Kathmandu", "Europe/London"):
            zone = ZoneInfo(name)
            moments = [
                datetime(2017, 1, 1, 12, tzinfo=zone) + timedelta(days=n) for n in range(900)
            ]
            rows = await connection.fetch(
                "SELECT m, date_trunc('day', m, $1) AS day FROM unnest($2::timestamptz[]) AS m",
                name,
                moments,
            )
            found = divide(PeriodKind.DAY, zone, moments[0], moments[-1], periods_max=1_000)
            assert found.starts == tuple(row["day"] for row in rows)

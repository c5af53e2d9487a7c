"""The demo's check can fail: each kind of wrong answer is found, and a right one is not."""

from __future__ import annotations

import gzip
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from devstack.demo_numbers import Numbers, disagreements
from devstack.second_opinion import Opinion, compute

CSV = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
1,A,"a, b",3,2010-12-31 23:59:00,0.10,7.0,EIRE
1,A,b,1,2011-01-01 00:00:00,0.30,7.0,EIRE
C2,A,a,-1,2011-01-05 10:00:00,0.25,,Spain
"""


@pytest.fixture
def opinion(tmp_path: Path) -> Opinion:
    path = tmp_path / "sample.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode()))
    return compute(path)


def rows(*values: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "title": "",
        "count": [
            {"period": period, "group": group, "value": Decimal(value)}
            for period, group, value in values
        ],
    }


RIGHT = Numbers(
    count=rows(("All", "All", "3")),
    # Both lines of invoice 1 happened when it began, in the year before.
    sums=rows(("Dec 2010", "All", "0.60"), ("Jan 2011", "All", "-0.25")),
    averages=rows(
        ("Dec 2010", "EIRE", "0.3"),
        ("Jan 2011", "EIRE", "0"),
        ("Dec 2010", "Spain", "0"),
        ("Jan 2011", "Spain", "-0.25"),
    ),
)


def test_right_answers_agree(opinion: Opinion) -> None:
    assert disagreements(RIGHT, opinion) == []
    assert opinion.customers == 1


@pytest.mark.parametrize("answer", ["count", "sums", "averages"])
def test_a_wrong_number_is_found(opinion: Opinion, answer: str) -> None:
    wrong = deepcopy(RIGHT)
    getattr(wrong, answer)["count"][0]["value"] += Decimal("0.0000001")
    assert len(disagreements(wrong, opinion)) == 1


@pytest.mark.parametrize("answer", ["count", "sums", "averages"])
def test_a_missing_row_is_found(opinion: Opinion, answer: str) -> None:
    wrong = deepcopy(RIGHT)
    getattr(wrong, answer)["count"].pop()
    assert len(disagreements(wrong, opinion)) == 1

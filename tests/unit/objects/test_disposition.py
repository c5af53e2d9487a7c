"""A file name cannot break out of its header."""

from __future__ import annotations

import pytest

from shared.objects.disposition import attachment


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("customers_report.1.csv", 'attachment; filename="customers_report.1.csv"'),
        ('a"b\r\nX-Evil: 1', 'attachment; filename="abX-Evil: 1"'),
        ("../..\\x", 'attachment; filename="....x"'),
        ("", 'attachment; filename="download"'),
        (
            "été%.csv",
            "attachment; filename=\"_t__.csv\"; filename*=UTF-8''%C3%A9t%C3%A9%25.csv",
        ),
    ],
)
def test_header(name: str, header: str) -> None:
    assert attachment(name) == header

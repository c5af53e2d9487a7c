"""A file name cannot break out of its header."""

from __future__ import annotations

import pytest

from shared.objects.disposition import attachment, content_type


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


def test_what_reports_are_is_known_on_every_machine() -> None:
    assert content_type("customers_report.1.csv") == "text/csv; charset=utf-8"
    assert content_type("a/customers_report.zip") == "application/zip"
    assert content_type("x.parquet") == "application/vnd.apache.parquet"
    assert content_type("x.exe") == content_type("") == "application/octet-stream"

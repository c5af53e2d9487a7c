"""A service that answers as a test wants."""

from tests.answering import service

__all__ = ["service"]

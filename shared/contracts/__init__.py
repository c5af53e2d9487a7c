"""The messages that services exchange. Ground floor: imports pydantic and nothing of ours."""

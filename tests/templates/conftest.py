"""Fixtures shared with the other tests that need no machine."""

from tests.unit.conftest import few_rsa_keys

__all__ = ["few_rsa_keys"]

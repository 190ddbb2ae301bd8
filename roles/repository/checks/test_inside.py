"""Checks."""
import pytest
pytestmark = pytest.mark.role("repository")

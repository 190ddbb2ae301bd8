"""Checks."""
import pytest
pytestmark = pytest.mark.role("videobridge")

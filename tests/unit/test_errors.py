"""Errors that are expected: what a person reads."""

from pathlib import Path

from chautari.errors import InvalidRegion, ProblemInFile


def test_thousands_of_errors_are_shown_in_part() -> None:
    problems = [ProblemInFile(Path("region.yml"), line, 1, "", "wrong") for line in range(1, 5001)]
    error = InvalidRegion(problems)
    assert len(error.message.splitlines()) == 101
    assert error.message.endswith("More errors: 4,900. Fix the errors above first.")
    assert len(error.problems) == 5000

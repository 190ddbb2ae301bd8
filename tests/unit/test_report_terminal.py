"""The report in the terminal is complete, plain, and fits 80 columns."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from report_samples import bad_report, good_report, hostile_report
from rich.cells import cell_len
from rich.console import Console

from chautari.report.model import Reason, RegionReport, RoleReport
from chautari.report.terminal import print_report


def printed(report: RegionReport, width: int = 80) -> str:
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=width))
    return stream.getvalue()


def squeezed(report: RegionReport) -> str:
    return " ".join(printed(report).split())


@pytest.mark.parametrize("make", [good_report, bad_report, hostile_report])
@pytest.mark.parametrize("width", [40, 60, 80])
def test_no_line_is_wider_than_the_terminal(make: Callable[[], RegionReport], width: int) -> None:
    lines = printed(make(), width).splitlines()
    assert max(cell_len(line) for line in lines) <= width


@pytest.mark.parametrize("make", [good_report, bad_report])
@pytest.mark.parametrize("width", [36, 40, 50, 60, 80])
def test_no_word_is_broken(make: Callable[[], RegionReport], width: int) -> None:
    def words(text: str) -> set[str]:
        return set(re.findall(r"[\w.'-]+", text))

    report = make()
    report.nodes[0].roles[0].why = [Reason("receipt_missing")]
    report.nodes[0].roles.append(RoleReport("videobridge", why=[Reason("needs", {"role": "tls"})]))
    # A list has no heading for its first column.
    assert words(printed(report, width)) | {"Node", "Service"} == words(printed(report, 500))


def test_narrow_terminal_gets_lists_in_place_of_tables() -> None:
    lines = [line.rstrip() for line in printed(bad_report(), 36).splitlines()]
    assert lines[lines.index("  bog1") + 1] == "    System Debian 12 (bookworm),"
    assert lines[lines.index("  nextcloud (double)") + 1] == "    Passed 0, Failed 1, Skipped 0"
    assert "Nodes\nNode" in printed(good_report(), 80)


def test_pipe_gets_no_escape_sequence() -> None:
    assert "\x1b" not in printed(hostile_report())
    assert "\x00" not in printed(hostile_report())


def test_markup_from_a_node_is_shown_as_it_is() -> None:
    assert "[red]x[/red]" in squeezed(hostile_report())


def test_good_report_shows_counts_and_logins() -> None:
    text = squeezed(good_report())
    assert "bog1 Debian 12 (bookworm) up to date 3 0 41.3 s" in text
    assert "nextcloud 1 0 0 base 1 0 0 nginx 1 0 0" in text
    assert "Open https://cloud.andes.example.org/ Login admin" in text
    assert "failed." not in text
    assert text.endswith("3 of 3 checks passed, in 6 min 12 s.")


def test_plan_says_at_least_where_more_may_be_downloaded() -> None:
    report = good_report()
    node = report.nodes[0]
    node.state, node.roles[0].why, node.download_bytes = (
        "planned",
        [Reason("receipt_missing")],
        12_340_000,
    )
    assert "Download 12.3 MB" in squeezed(report)
    node.download_at_least = True
    assert "Download at least 12.3 MB" in squeezed(report)


def test_bad_report_shows_cause_advice_and_journal() -> None:
    text = squeezed(bad_report())
    assert "Where role nginx, task “Reload nginx” Why port 443 is taken" in text
    assert "bog1 nginx[7]: bind() failed" in text
    assert "Why Only 0.9 GB are free. Next Make room." in text
    assert "nextcloud on med1: The login page opens (seen from outside)" in text
    assert "Why answered 502 Bad Gateway Next Look whether PHP runs." in text
    assert "nginx on med1: nginx runs (on the node) Why There is nothing to ask." in text
    assert "med1: The calendar app could not be fetched." in text


def test_long_journal_keeps_its_end_and_counts_the_rest() -> None:
    text = printed(bad_report())
    assert "(3 earlier lines are in the report)" in text
    assert "med1 php[2]: gone" not in text
    assert "med1 php[14]: gone" in text


def test_double_is_named_with_its_service() -> None:
    text = squeezed(bad_report())
    assert "DOUBLE double of nextcloud 34.0.4: no release was at hand" in text
    assert "nextcloud (double)" in text
    assert "nextcloud 34.0.4 on med1 (DOUBLE)" in text
    assert "DOUBLE" not in printed(good_report())


def test_backups_are_shown_with_their_state_as_a_word() -> None:
    text = squeezed(bad_report())
    assert "bog1 to disk green: the last backup is 3 hours old" in text
    assert "med1 to disk broken: the last backup is 9 days old Next run: deploy backup" in text
    assert "med1, restore pending: no restore was tested yet" in text
    assert "Backups" not in squeezed(good_report())

"""The report in the terminal is complete, plain, and fits 80 columns."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from report_samples import bad_report, good_report, hostile_report
from rich.cells import cell_len
from rich.console import Console

from chautari.report import terminal_ending
from chautari.report.model import Notice, Reason, RegionReport, RoleReport
from chautari.report.terminal import print_report


def printed(report: RegionReport, width: int = 80, *, complete: bool = False) -> str:
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=width), complete=complete)
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
    narrow, wide = (printed(report, columns, complete=True) for columns in (width, 500))
    assert words(narrow) | {"Node", "Service"} == words(wide)


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
    assert "Open: https://cloud.andes.example.org/ Login: admin" in text
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
    assert "med1, restore pending: no restore has been tested yet" in text
    assert "Backups" not in squeezed(good_report())


def deployed() -> RegionReport:
    """A good deploy in a sandbox, with long notices and a password to look up."""
    report = good_report()
    report.services[0].note = "password: deploy secrets show andes nextcloud_admin_password"
    text = "The calendar app could not be fetched, because this sandbox has no route to upstream."
    report.nodes[0].notices = [Notice("role_message", {"text": f"{n}: {text}"}) for n in range(20)]
    entries = ["203.0.113.11 cloud.andes.example.org polls.andes.example.org", "x; rm -rf /"]
    report.hints = [
        Notice("add_hosts", {"lines": "…", "entries": entries}),
        Notice("trust_authority", {"file": "/state/ca.pem"}),
    ]
    return report


@pytest.mark.parametrize("width", [40, 80])
def test_deploy_ends_with_where_to_go_then_what_to_do_then_counts(width: int) -> None:
    text = printed(deployed(), width)
    headings = ["Nodes", "Checks", "Notices", "Services", "To open them", "Next steps", "Counts"]
    places = [text.index(f"\n{heading}") for heading in headings]
    assert places == sorted(places)
    end = text[text.index("\nServices") :].rstrip().splitlines()
    assert len(end) <= 32
    assert end[-1].split()[-2:] == ["12", "s."]


@pytest.mark.parametrize("width", [36, 40, 80, 200])
def test_addresses_and_commands_can_be_copied_from_any_terminal(width: int) -> None:
    lines = [line.strip() for line in printed(deployed(), width).splitlines()]
    for wanted in (
        "https://cloud.andes.example.org/",
        "deploy secrets show andes nextcloud_admin_password",
        "deploy report andes",
        "deploy status andes",
    ):
        assert any(line.endswith(wanted) for line in lines), wanted


def test_hosts_entries_are_one_block_of_nothing_else() -> None:
    lines = printed(deployed(), 40).splitlines()
    start = lines.index("sudo tee -a /etc/hosts <<'END'")
    assert lines[start + 1 : start + 3] == [
        "203.0.113.11 cloud.andes.example.org polls.andes.example.org", "END",
    ]  # fmt: skip
    assert "rm -rf" not in "\n".join(lines)
    assert "sudo tee" not in printed(good_report())


def test_notices_are_folded_to_one_line_each() -> None:
    lines = printed(deployed(), 60).splitlines()
    start = lines.index("Notices")
    folded = lines[start + 1 : lines.index("Services") - 1]
    assert len(folded) == 14 and all(cell_len(line) <= 60 for line in folded)
    assert folded[0] == "  bog1: 0: The calendar app could not be fetched, because …"
    assert folded[-2].strip() == "and 8 more"
    assert folded[-1].split() == ["In", "full:", "deploy", "report", "andes"]
    complete = " ".join(printed(deployed(), 60, complete=True).split())
    assert complete.count("has no route to upstream.") == 20 and "and 8 more" not in complete


def test_next_steps_are_few_and_the_last_is_a_command() -> None:
    steps = terminal_ending.first_next_steps(deployed())
    assert len(steps) == 2 and steps[-1].endswith("deploy status andes")
    assert len(terminal_ending.first_next_steps(bad_report())) == 3
    assert "deploy region andes" in terminal_ending.first_next_steps(bad_report())[-1]


def test_plan_ends_with_the_deploy() -> None:
    report = good_report()
    for node in report.nodes:
        node.state = "planned"
    assert terminal_ending.first_next_steps(report) == ["Deploy the region: deploy region andes"]


def test_counts_are_words_not_only_colours() -> None:
    assert list(terminal_ending.node_and_check_counts(bad_report())) == [
        "Nodes: 1 failed, 1 up to date, 1 refused, 1 unreachable",
        "Checks: 1 passed, 1 failed, 1 skipped",
        "Changed on the nodes: 8 items",
    ]

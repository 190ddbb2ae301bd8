"""What all reports share: the verdict, groups of checks, next steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from chautari.language import N_, _
from chautari.report import causes, messages
from chautari.report.model import (
    PAIR_STATES,
    CheckResult,
    NodeReport,
    NodeState,
    Outcome,
    PairState,
    RegionReport,
    RoleReport,
    ServiceAccess,
    TaskFailure,
)
from chautari.report.text_format import count_with_noun, duration_text, to_one_line

Tone = Literal["good", "bad", "wait"]


class NodeStateDescription(NamedTuple):
    """How a node's state is named, explained and toned."""

    word: str
    meaning: str
    tone: Tone


STATES: dict[NodeState, NodeStateDescription] = {
    "converged": NodeStateDescription(N_("up to date"), N_("The node matches region.yml."), "good"),
    "verified": NodeStateDescription(
        N_("verified"), N_("The checks ran; nothing was changed."), "good"
    ),
    "planned": NodeStateDescription(
        N_("planned"), N_("The plan is ready; nothing was changed."), "good"
    ),
    "downloaded": NodeStateDescription(
        N_("downloaded"),
        N_("The downloads for the next deploy are on the node; no role ran."),
        "good",
    ),
    "prepared": NodeStateDescription(
        N_("prepared"), N_("The node is ready for Ansible; no role ran."), "good"
    ),
    "detached": NodeStateDescription(
        N_("still running"),
        N_("The run continues on the node. To follow it, run the same command again."),
        "wait",
    ),
    "disconnected": NodeStateDescription(
        N_("disconnected"),
        N_("The run may still be active on the node. Its result is unknown."),
        "bad",
    ),
    "failed": NodeStateDescription(N_("failed"), N_("A task failed."), "bad"),
    "refused": NodeStateDescription(
        N_("refused"), N_("A requirement is not met, so nothing was changed."), "bad"
    ),
    "unreachable": NodeStateDescription(
        N_("unreachable"), N_("No connection was possible; nothing was changed."), "bad"
    ),
    "busy": NodeStateDescription(N_("busy"), N_("Another run is active on this node."), "bad"),
}


PEER_TONES: dict[PairState, Tone] = {"green": "good", "pending": "wait", "broken": "bad"}


class ServiceChecks(NamedTuple):
    """The checks of one service or role, on one node or on all."""

    service: str
    checks: tuple[CheckResult, ...]
    info: tuple[ServiceAccess, ...] = ()
    double: bool = False

    def count_checks(self, outcome: Outcome) -> int:
        """Return how many of these checks ended with `outcome`."""
        return sum(check.outcome == outcome for check in self.checks)

    @property
    def tone(self) -> Tone:
        """Return good if all passed, bad if one failed, wait if no check ran."""
        if self.count_checks("failed"):
            return "bad"
        return "good" if self.count_checks("passed") else "wait"

    @property
    def counts_text(self) -> str:
        """Return the counts in few words: `all 8 passed`, or `9 passed, 2 failed`."""
        if self.checks and self.count_checks("passed") == len(self.checks):
            return (
                _("all {count} passed", count=len(self.checks))
                if len(self.checks) > 1
                else _("1 passed")
            )
        outcomes: tuple[Outcome, ...] = ("passed", "failed", "skipped")
        counts = ((self.count_checks(outcome), outcome) for outcome in outcomes)
        return ", ".join(f"{number} {_(outcome)}" for number, outcome in counts if number)


def describe_node_state(node: NodeReport) -> NodeStateDescription:
    """Return the words for a node's state; a node with failed tasks is never toned good."""
    found = STATES[node.state]
    if node.failed and found.tone == "good":
        found = STATES["failed"]
    return NodeStateDescription(_(found.word), _(found.meaning), found.tone)


MOST_REASONS = 4
MOST_STEPS = 3
MOST_PLACES = 4  # that one step names
# States of a node on which nothing was done; each has a step of its own.
_UNREACHED = ("unreachable", "busy")


def first_reasons_text(role: RoleReport) -> str:
    """Return why a role ran, one reason a line, the first few of them."""
    more = len(role.why) - MOST_REASONS
    first = [reason.text for reason in role.why[:MOST_REASONS]]
    return "\n".join(first + ([_("and {more} more", more=more)] if more > 0 else []))


def report_tone(report: RegionReport) -> Tone:
    """Return good, bad, or wait for a run that continues or ran no checks.

    A deploy succeeds without backups, but a region whose backups fail is not well.
    """
    if not report.ok or any(item.state == "broken" for item in report.backups):
        return "bad"
    if _is_plan_report(report) or _is_download_only_report(report):
        return "good"
    running = any(describe_node_state(node).tone == "wait" for node in report.nodes)
    return "good" if report.count_checks("passed") and not running else "wait"


def verdict_sentence(report: RegionReport) -> str:
    """Return the whole result in one sentence."""
    if not report.nodes and not report.checks:
        return _("Nothing was done in region {region}.", region=to_one_line(report.region))
    if report.ok and _is_plan_report(report):
        return _verdict_of_plan(report)
    if report.ok and _is_download_only_report(report):
        nodes, took = count_with_noun(len(report.nodes), "node"), duration_text(report.seconds)
        name = to_one_line(report.region)
        return _(
            "The downloads for the next deploy of {name} are on {nodes}; no role ran ({took}).",
            name=name,
            nodes=nodes,
            took=took,
        )
    opening = {
        "good": _("is healthy"),
        "bad": _("needs attention"),
        "wait": _("is not fully checked yet"),
    }
    phrases = [*_nodes_phrases(report.nodes), *_checks_phrases(report), *_peers_phrases(report)]
    phrases += _backups_phrases(report)
    name = to_one_line(report.region)
    subject = _("Region {name}", name=name)
    if report.left_out:
        subject = _("This part of region {name}", name=name)
        phrases.append(
            _(
                "{other_nodes} not included",
                other_nodes=count_with_noun(len(report.left_out), "other node"),
            )
        )
    result = _(
        "{phrases}, in {seconds}", phrases=", ".join(phrases), seconds=duration_text(report.seconds)
    )
    return f"{subject} {opening[report_tone(report)]}: {result}."


def _is_plan_report(report: RegionReport) -> bool:
    return bool(report.nodes) and all(node.state == "planned" for node in report.nodes)


def _is_download_only_report(report: RegionReport) -> bool:
    return bool(report.nodes) and all(node.state == "downloaded" for node in report.nodes)


def _verdict_of_plan(report: RegionReport) -> str:
    """Return the result of a plan in one sentence."""
    waiting = [node for node in report.nodes if any(not role.up_to_date for role in node.roles)]
    took = _("the plan took {seconds}", seconds=duration_text(report.seconds))
    if not waiting:
        return _(
            "A deploy of {region} would change nothing ({took}).",
            region=to_one_line(report.region),
            took=took,
        )
    roles = sum(bool(role.why) for node in waiting for role in node.roles)
    return _(
        "A deploy of {region} would run {roles} on {count} of {nodes}; nothing was "
        "changed ({took}).",
        region=to_one_line(report.region),
        roles=count_with_noun(roles, "role"),
        count=len(waiting),
        nodes=count_with_noun(len(report.nodes), "node"),
        took=took,
    )


def _nodes_phrases(nodes: list[NodeReport]) -> Iterable[str]:
    bad = sum(not node.ok for node in nodes)
    waiting = sum(describe_node_state(node).tone == "wait" for node in nodes)
    changed = sum(node.changed for node in nodes)
    if bad:
        yield _("{bad} of {nodes} not OK", bad=bad, nodes=count_with_noun(len(nodes), "node"))
    if waiting:
        yield _(
            "{waiting} of {nodes} still running",
            waiting=waiting,
            nodes=count_with_noun(len(nodes), "node"),
        )
    if nodes and not bad and not waiting:
        yield _(
            "{nodes} OK ({changes})",
            nodes=count_with_noun(len(nodes), "node"),
            changes=count_with_noun(changed, "change"),
        )


def _checks_phrases(report: RegionReport) -> Iterable[str]:
    total = count_with_noun(len(report.checks), "check")
    if not report.checks:
        yield _("no checks ran")
    elif report.count_checks("failed"):
        yield _("{failed} of {total} failed", failed=report.count_checks("failed"), total=total)
    else:
        yield _("{passed} of {total} passed", passed=report.count_checks("passed"), total=total)
    if report.count_checks("skipped"):
        yield _("{skipped} skipped", skipped=report.count_checks("skipped"))


def _peers_phrases(report: RegionReport) -> Iterable[str]:
    """Yield how many peers are in the worst state that there is."""
    states = [peer.state for peer in report.peers]
    if states:
        worst = max(states, key=PAIR_STATES.index)
        yield _(
            "{count} of {peers} {worst}",
            count=states.count(worst),
            peers=count_with_noun(len(states), "peer"),
            worst=_(worst),
        )


def _backups_phrases(report: RegionReport) -> Iterable[str]:
    """Yield how many backups are in the worst state that there is; none if all are well."""
    states = [item.state for item in report.backups if item.target]
    worst = max(states, key=PAIR_STATES.index) if states else "green"
    if worst != "green":
        yield _(
            "{count} of {backups} {worst}",
            count=states.count(worst),
            backups=count_with_noun(len(states), "backup"),
            worst=_(worst),
        )


def list_service_checks(report: RegionReport) -> list[ServiceChecks]:
    """Group checks by service: those that people open first, then the base roles."""
    opened = [info.service for info in report.services]
    roles = [role.name for node in report.nodes for role in node.roles]
    names = dict.fromkeys(opened + roles + [check.service for check in report.checks])
    groups = (_checks_of_service(report, name) for name in names)
    return [group for group in groups if group.checks or group.info]


def _checks_of_service(report: RegionReport, service: str) -> ServiceChecks:
    return ServiceChecks(
        service,
        tuple(check for check in report.checks if check.service == service),
        tuple(info for info in report.services if info.service == service),
        any(double.name == service for double in report.doubles),
    )


def list_service_checks_of_node(report: RegionReport, node: NodeReport) -> list[ServiceChecks]:
    """Return the checks of one node by service, then by role."""
    opened = [info.service for info in report.services if info.node == node.name]
    checks = [check for check in report.checks if check.node == node.name]
    # Where checks ran, a role without any has nothing to show, unless it failed.
    roles = [role.name for role in node.roles if role.failed or not checks]
    names = dict.fromkeys(opened + roles + [check.service for check in checks])
    return [
        ServiceChecks(
            name,
            tuple(check for check in checks if check.service == name),
            tuple(i for i in report.services if i.service == name and i.node == node.name),
            any(double.name == name for double in report.doubles),
        )
        for name in names
    ]


def failed_checks(report: RegionReport) -> list[CheckResult]:
    """Return the failing checks in the order of the report."""
    return [check for check in report.checks if check.outcome == "failed"]


def skipped_checks(report: RegionReport) -> list[CheckResult]:
    """Return the skipped checks in the order of the report."""
    return [check for check in report.checks if check.outcome == "skipped"]


def next_step_texts(report: RegionReport, without: tuple[str, ...] = ()) -> list[str]:
    """Return what to do next, most urgent first: at most MOST_STEPS, each once.

    Hints with one of the codes in `without` are left out.

    What several nodes need is one step. The last step is the command that continues the work; a
    report without problems ends with how to open its services.
    """
    places: dict[str, list[str]] = {}
    for place, step in _next_steps_with_places(report):
        text = to_one_line(step)
        if text and place not in places.setdefault(text, []):
            places[text].append(place)
    steps = [f"{_join_first_places(where)}: {text}" for text, where in places.items()]
    if report.ok:
        hints = [to_one_line(hint.text) for hint in report.hints if hint.code not in without]
        return (steps + hints)[:MOST_STEPS]
    shown, others = steps[: MOST_STEPS - 1], len(steps[MOST_STEPS - 1 :])
    code = "run_again_after_others" if others else "run_again"
    data = {"command": _command_that_continues(report), "count": others}
    return [*shown, to_one_line(messages.next_step_text(code, data))]


def _next_steps_with_places(report: RegionReport) -> Iterable[tuple[str, str]]:
    """Yield each step with the node or the check that needs it."""
    for node in report.nodes:
        yield from ((node.name, step) for step in _next_steps_of_node(node, report))
    for check in failed_checks(report):
        yield f"{check.node}, {check.service}", _next_step_for_failed_check(check)
    for item in report.backups:
        if item.state == "broken":
            yield item.label, item.next_step


def _join_first_places(places: list[str]) -> str:
    """Return the places that need a step, the first few of them by name."""
    named = [to_one_line(place) for place in places[:MOST_PLACES]]
    more = len(places) - len(named)
    return "; ".join(named) + (_(" and {more} more", more=more) if more else "")


def _command_that_continues(report: RegionReport) -> str:
    """Return the command to run when the steps before it are done."""
    # Where no node could be reached, the command itself has not done its work yet.
    unreached = all(node.state in _UNREACHED for node in report.nodes if not node.ok)
    unreached &= not report.count_checks("failed")
    if report.command.startswith("deploy ") and (unreached or "--download-only" in report.command):
        return report.command
    return f"deploy region {report.region}"


def _next_steps_of_node(node: NodeReport, report: RegionReport) -> Iterable[str]:
    yield from (refusal.fix for refusal in node.refusals)
    if node.failure:
        yield _next_step_after_failure(node.failure)
    elif node.state == "detached" or (node.state in _UNREACHED and not node.refusals):
        data = {"address": node.address, "region": report.region}
        yield messages.next_step_text(node.state, data)


def difference_text(difference: str) -> str:
    """Return what a task would change; its name, in the first line, is translated."""
    task, end, diff = difference.partition("\n")
    return _(task) + end + diff


def _next_step_after_failure(failure: TaskFailure) -> str:
    code = causes.find_cause_code(failure)
    data = {"task": failure.task_text, "role": failure.role}
    if not code:
        return messages.next_step_text("failed_task", data)
    return messages.next_step_text("failed_task_cause", data | {"cause": messages.cause_text(code)})


def _next_step_for_failed_check(check: CheckResult) -> str:
    return check.advice_text or messages.next_step_text("failed_check", {"check": check.title_text})

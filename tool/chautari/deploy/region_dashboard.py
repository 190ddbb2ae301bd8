"""Judge what the nodes of a region answered, and make the dashboard of `deploy status`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chautari.deploy.node_health import HealthAnswer, NodeHealth, problems_of_node
from chautari.deploy.node_health import measurement_problem as problem_of_measurement
from chautari.deploy.status import NodeStatus, RegionStatus, run_result_code, run_result_text
from chautari.language import N_, _
from chautari.node.health import limits
from chautari.node.health.problems import BROKEN, Problem, free_percent
from chautari.node.health.texts import bytes_text, problem_texts
from chautari.region.model import Region
from chautari.report.backup_texts import age_text
from chautari.report.dashboard import Cell, Dashboard, Finding, Level, NodeRow, Topic
from chautari.report.measurement_texts import unknown_measurement_texts
from chautari.report.model import BackupStatus, PeerStatus
from chautari.report.text_format import to_one_line

UNKNOWN = Cell("-", "unknown")
_MOST_NAMES = 4  # in one line
# The short word for the newest run of a node, and whether it is a problem.
RUN_STATES: dict[str, tuple[str, Level]] = {
    "unreachable": (N_("unreachable"), "broken"),
    "run_active": (N_("running"), "ok"),
    "never_deployed": (N_("not deployed"), "warning"),
    "run_interrupted": (N_("interrupted"), "warning"),
    "run_failed": (N_("run failed"), "broken"),
    "checks_failed": (N_("checks failed"), "broken"),
    "run_succeeded": (N_("deployed"), "ok"),
}
Problems = Mapping[str, Sequence[Problem]]


def make_dashboard(region: Region, found: RegionStatus, now: float) -> Dashboard:
    """Return what `deploy status` shows."""
    health = {item.node: item for item in found.health}
    valid = {
        name: item.health
        for name, item in health.items()
        if item.health and problem_of_measurement(item.health, now) != "measured_in_future"
    }
    problems = {name: problems_of_node(item, now) for name, item in valid.items()}
    rows = [
        _node_row(state, valid.get(state["node"]), problems.get(state["node"], ()), now)
        for state in found.nodes
    ]
    findings = [
        *_run_findings(region, found.nodes),
        *_other_key_findings(found.nodes),
        *_unknown_measurement_findings(region, found, now),
        *_problem_findings(region, problems),
        *_backup_findings(found),
        *_peer_findings(found.peers),
    ]
    return Dashboard(region.region, now, rows, list(_topics(region, found, valid)), findings)


def _node_row(
    state: NodeStatus, health: NodeHealth | None, problems: Sequence[Problem], now: float
) -> NodeRow:
    word, level = RUN_STATES[run_result_code(state)]
    word = _(word)
    if health is None:
        return NodeRow(state["node"], (Cell(word, level), *[UNKNOWN] * 6))
    levels: dict[str, Level] = {}
    for item in problems:
        if levels.get(item.kind) != "broken":
            levels[item.kind] = "broken" if item.level >= BROKEN else "warning"
    cells = (
        Cell(word, level),
        *_disk_cells(health, levels),
        _certificate_cell(health, levels, now),
        _updates_cell(health, levels),
        _restart_cell(health, levels, now),
        UNKNOWN
        if health.meetings is None
        else Cell(f"{health.meetings.meetings} ({health.meetings.people})"),
    )
    return NodeRow(state["node"], cells)


def _disk_cells(health: NodeHealth, levels: Mapping[str, Level]) -> tuple[Cell, Cell]:
    """Return the free space of the fullest disk, and when the first disk is full."""
    if not health.disks:
        return UNKNOWN, UNKNOWN
    level = levels.get("disk", "ok")
    fullest = min(health.disks, key=lambda disk: free_percent(disk.model_dump()))
    percent = free_percent(fullest.model_dump())
    free = Cell(f"{percent} %, {bytes_text(fullest.free)}",
                level if percent < limits.DISK_LOW_PERCENT else "ok")  # fmt: skip
    days = [disk.days_left for disk in health.disks if disk.days_left is not None]
    if days:
        soon = min(days) < limits.DISK_FULL_SOON_DAYS
        return free, Cell(_days_text(min(days)), "warning" if soon else "ok")
    known = all(disk.trend_known for disk in health.disks)
    return free, Cell(_("not soon")) if known else Cell("?", "unknown")


def _days_text(days: float) -> str:
    return f"{int(days)} d" if days < 1000 else "> 999 d"


def _certificate_cell(health: NodeHealth, levels: Mapping[str, Level], now: float) -> Cell:
    if not health.certificates:
        return UNKNOWN
    if any(item.temporary for item in health.certificates):
        return Cell(_("none"), levels.get("certificate", "warning"))
    left = (min(item.expires for item in health.certificates) - now) // limits.DAY
    return Cell(_days_text(max(0, left)), levels.get("certificate", "ok"))


def _updates_cell(health: NodeHealth, levels: Mapping[str, Level]) -> Cell:
    if health.updates is None:
        return UNKNOWN
    due, security = min(health.updates.due, 9999), min(health.updates.security, 9999)
    level = levels.get("updates", levels.get("lists", "ok"))
    return Cell(
        _("{due} ({security} sec)", due=due, security=security) if security else str(due), level
    )


def _restart_cell(health: NodeHealth, levels: Mapping[str, Level], now: float) -> Cell:
    if health.reboot_since is None:
        return Cell(_("no"))
    age = max(0, now - health.reboot_since)
    return Cell(_("yes, {days}", days=_days_text(age / limits.DAY)), levels.get("reboot", "ok"))


def _topics(
    region: Region, found: RegionStatus, health: Mapping[str, NodeHealth]
) -> Iterator[Topic]:
    yield _services_topic(health)
    if region.backup is not None:
        copies = [item for item in found.backups if item.target]
        drills = [item for item in found.backups if not item.target]
        yield _backups_topic(_("Backups"), copies, _("stored"))
        yield _backups_topic(_("Drills"), drills, _("tested"))
    else:
        yield Topic(_("Backups"), _("no backups are stored; set backup in region.yml"), "warning")
    if found.peers:
        yield _peers_topic(found.peers)
    yield _releases_topic(found)
    yield _mail_topic(region, health)


def _services_topic(health: Mapping[str, NodeHealth]) -> Topic:
    known = {name: item for node in health.values() for name, item in node.services.items()}
    if not known:
        return Topic(_("Services"), _("not checked: no front page lists services"), "unknown")
    silent = [name for name, item in known.items() if not item.responds]
    if silent:
        text = _(
            "no answer from {names}; {count} of {count2} respond",
            names=_join_names(silent),
            count=len(known) - len(silent),
            count2=len(known),
        )
        return Topic(_("Services"), text, "broken")
    return Topic(_("Services"), _("{names} respond", names=_join_names(list(known))))


def _backups_topic(label: str, items: Sequence[BackupStatus], verb: str) -> Topic:
    if not items:
        return Topic(label, _("not known"), "unknown")
    bad = [item for item in items if item.state != "green"]
    ages = [item.age_seconds for item in items if item.age_seconds is not None]
    last = _("none {verb} yet", verb=verb)
    if ages:
        age, good = age_text(max(ages)), len(items) - len(bad)
        last = _("{verb} {age} ago", verb=verb, age=age)
        if len(items) > 1:
            last = _(
                "{good} of {count} {verb}, the oldest {age} ago",
                good=good,
                count=len(items),
                verb=verb,
                age=age,
            )
    if not bad:
        return Topic(label, last)
    level: Level = "broken" if any(item.state == "broken" for item in bad) else "warning"
    return Topic(
        label,
        _("{last}; see {names}", last=last, names=_join_names([item.label for item in bad])),
        level,
    )


def _peers_topic(peers: Sequence[PeerStatus]) -> Topic:
    green = [peer.name for peer in peers if peer.state == "green"]
    other = [f"{peer.name} {_(peer.state)}" for peer in peers if peer.state != "green"]
    text = _join_names([*other, *(_("{name} green", name=name) for name in green)])
    return Topic(_("Peers"), text, "warning" if other else "ok")


def _releases_topic(found: RegionStatus) -> Topic:
    outdated = found.releases["outdated"]
    if outdated is None:
        return Topic(_("Releases"), _("not checked: ask_upstream is false"), "unknown")
    names = [f"{item['name']} {item['version']}" for item in outdated]
    unknown = [item["name"] for item in found.releases["releases_unknown"]]
    parts = [_("newer releases than {names}", names=_join_names(names))] if names else []
    parts += [_("unknown for {names}", names=_join_names(unknown))] if unknown else []
    return Topic(_("Releases"), "; ".join(parts) or _("the newest releases are installed"))


def _mail_topic(region: Region, health: Mapping[str, NodeHealth]) -> Topic:
    if region.mail is None:
        text = _("no alerts by email: region.yml has no mail relay")
        return Topic(_("Mail"), text, "warning")
    if not region.mail.alerts:
        return Topic(_("Mail"), _("no alerts by email: mail.alerts is false"), "warning")
    failed = [name for name, item in health.items() if item.mails.failed]
    if failed:
        return Topic(
            _("Mail"),
            _("the last email of {names} was not sent", names=_join_names(failed)),
            "warning",
        )
    silent = [name for name, item in health.items() if not item.mails.on]
    if silent or not health:
        return Topic(_("Mail"), _("nodes send alerts after the next deploy"), "unknown")
    return Topic(_("Mail"), _("nodes send alerts to {contact}", contact=region.contact))


def _join_names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    return (
        _("{shown} and {count} more", shown=shown, count=len(names) - _MOST_NAMES)
        if len(names) > _MOST_NAMES
        else shown
    )


def _make_finding(broken: bool, subject: str, code: str, texts: tuple[str, str]) -> Finding:
    return Finding("broken" if broken else "warning", subject, code, *texts)


def _other_key_findings(nodes: Sequence[NodeStatus]) -> Iterator[Finding]:
    for state in nodes:
        if keys := [to_one_line(key) for key in state.get("other_keys", ())]:
            yield Finding(
                "warning",
                state["node"],
                "other_keys",
                _("keys that are not in region.yml can log in: {keys}", keys="; ".join(keys)),
                _("add them to operators, or remove them: write login_keys into adopt"),
            )


def _run_findings(region: Region, states: Sequence[NodeStatus]) -> Iterator[Finding]:
    steps = {
        "unreachable": _("run: deploy verify {region}", region=region.region),
        "run_failed": _("run: deploy attach {region}", region=region.region),
        "checks_failed": _("run: deploy verify {region}", region=region.region),
    }
    for state in states:
        code = run_result_code(state)
        level = RUN_STATES[code][1]
        if level in ("broken", "warning"):
            step = steps.get(code, _("run: deploy region {region}", region=region.region))
            text = run_result_text(state)
            yield _make_finding(level == "broken", state["node"], code, (text, step))


def _unknown_measurement_findings(
    region: Region, found: RegionStatus, now: float
) -> Iterator[Finding]:
    """Yield why a measurement of a reachable node is not known."""
    deployed = {item["node"] for item in found.nodes if item["reachable"] and item["run"]}
    for answer in found.health:
        if answer.node in deployed and (code := _code_of_answer(answer, now)):
            data = {**(answer.problem[1] if answer.problem else {}), "region": region.region}
            if answer.health:
                data["age"] = age_text(max(0, now - answer.health.measured))
            texts = unknown_measurement_texts(code, data)
            yield _make_finding(False, answer.node, code, texts)


def _code_of_answer(answer: HealthAnswer, now: float) -> str:
    if answer.problem:
        return f"measurement_{answer.problem[0]}"
    if answer.health is None:
        return "measurement_missing"
    return problem_of_measurement(answer.health, now)


def _problem_findings(region: Region, problems: Problems) -> Iterator[Finding]:
    for node, found in problems.items():
        for item in found:
            texts = problem_texts(item.code, item.data, region.region)
            yield _make_finding(item.level >= BROKEN, node, item.code, texts)


def _backup_findings(found: RegionStatus) -> Iterator[Finding]:
    unreachable = {state["node"] for state in found.nodes if not state["reachable"]}
    for item in found.backups:
        if item.state == "green":
            continue
        if item.code == "node_unreachable" and item.node in unreachable:
            continue
        texts = item.cause, item.next_step
        yield _make_finding(item.state == "broken", item.label, item.code, texts)


def _peer_findings(peers: Sequence[PeerStatus]) -> Iterator[Finding]:
    """Yield the pairs that are not green. A peer never makes the region itself broken."""
    for peer in peers:
        if peer.state != "green":
            worst = peer.worst_link
            texts = worst.cause, worst.next_step
            yield _make_finding(False, _("peer {name}", name=peer.name), worst.code, texts)

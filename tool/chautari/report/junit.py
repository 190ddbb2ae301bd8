"""The report as JUnit XML: a suite for each node, a case for its run and one for each check."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from chautari.report.model import CheckResult, Double, NodeReport, NodeState, RegionReport
from chautari.report.summary import describe_node_state
from chautari.report.text_format import escape_unsafe_characters, to_one_line

# What ran is the name of a node's case: a plan that succeeds says nothing about a deploy.
_CASES: dict[NodeState, str] = {
    "verified": "reach", "planned": "plan", "downloaded": "download", "prepared": "prepare",
}  # fmt: skip


def render_junit(report: RegionReport) -> str:
    """Return JUnit XML that CI systems read."""
    root = Element("testsuites", name=to_one_line(report.region))
    nodes = {node.name: node for node in report.nodes}
    for name in dict.fromkeys([*nodes, *(check.node for check in report.checks)]):
        checks = [check for check in report.checks if check.node == name]
        root.append(_test_suite(report, name, nodes.get(name), checks))
    _set_counts(root, report.seconds)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _test_suite(
    report: RegionReport, name: str, node: NodeReport | None, checks: list[CheckResult]
) -> Element:
    suite = Element("testsuite", name=to_one_line(name), timestamp=to_one_line(report.started))
    if report.doubles:
        suite.append(_doubles_properties(report.doubles))
    if node:
        suite.set("hostname", to_one_line(node.address))
        suite.append(_case_of_run(node))
    suite.extend(_case_of_check(check) for check in checks)
    _set_counts(suite, node.seconds if node else sum(check.seconds for check in checks))
    return suite


def _doubles_properties(doubles: list[Double]) -> Element:
    """Name the doubles as properties, since a suite with doubles proves less."""
    properties = Element("properties")
    for double in doubles:
        value = f"{double.name} {double.version}: {double.reason}"
        SubElement(properties, "property", name="double", value=to_one_line(value))
    return properties


def _set_counts(element: Element, seconds: float) -> None:
    element.set("tests", str(len(list(element.iter("testcase")))))
    element.set("failures", str(len(list(element.iter("failure")))))
    element.set("errors", "0")
    element.set("skipped", str(len(list(element.iter("skipped")))))
    element.set("time", f"{seconds:.3f}")


def _case_of_run(node: NodeReport) -> Element:
    case = _test_case("node", _CASES.get(node.state, "deploy"), node.seconds)
    if not node.ok:
        detail = _detail_of_run(node)
        _add_outcome(case, "failure", detail[0], detail, node.state)
    elif reason := _reason_run_is_skipped(node):
        _add_outcome(case, "skipped", reason, [], "")
    notices = [escape_unsafe_characters(notice.text) for notice in node.notices]
    if notices:
        SubElement(case, "system-out").text = "\n".join(notices)
    return case


def _reason_run_is_skipped(node: NodeReport) -> str:
    """Return why the node's case neither passed nor failed; empty if its run finished."""
    if node.was_up_to_date:
        return "Nothing ran: every role was up to date."
    return describe_node_state(node).meaning if node.state in ("planned", "detached") else ""


def _detail_of_run(node: NodeReport) -> list[str]:
    detail = [f"{node.name}: {describe_node_state(node).word}. {describe_node_state(node).meaning}"]
    for refusal in node.refusals:
        detail += [refusal.reason, f"Fix: {refusal.fix}"]
    if node.failure:
        detail[0] = f"{node.failure.role}: {node.failure.task}: {node.failure.message}"
        detail += _journal_lines(node.failure.journal)
    return detail


def _case_of_check(check: CheckResult) -> Element:
    name = f"{check.title} [{check.check}]" if check.title else check.check
    case = _test_case(check.service, name, check.seconds)
    if check.outcome == "failed":
        advice = [f"Fix: {check.advice}"] if check.advice else []
        detail = [check.message, *advice, *_journal_lines(check.journal)]
        _add_outcome(case, "failure", check.message, detail, check.side)
    elif check.outcome == "skipped":
        _add_outcome(case, "skipped", check.message, [], "")
    return case


def _test_case(classname: str, name: str, seconds: float) -> Element:
    return Element(
        "testcase", classname=to_one_line(classname), name=to_one_line(name), time=f"{seconds:.3f}"
    )


def _add_outcome(case: Element, tag: str, message: str, detail: list[str], kind: str) -> None:
    element = SubElement(case, tag, message=to_one_line(message))
    if kind:
        element.set("type", kind)
    if detail:
        element.text = "\n".join(escape_unsafe_characters(line) for line in detail)


def _journal_lines(lines: list[str]) -> list[str]:
    return ["Journal:", *lines] if lines else []

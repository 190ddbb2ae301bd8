"""Ask nodes for small files, such as the state of their backups. What they send is not trusted."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chautari.deploy.remote_run import NO_PYTHON, no_answer_refusal
from chautari.language import _
from chautari.node.events import StateFilesAnswer
from chautari.parallel import call_within
from chautari.report.model import NodeReport, Refusal
from chautari.report.text_format import to_one_line
from chautari.ssh.known_hosts import read_known_hosts_text
from chautari.ssh.runner_client import SSH_FAILED, RunnerReply, call_runner
from chautari.ssh.target import SSHTarget

NODE_SECONDS = 60.0  # in which a node has to answer
_MAX_ERROR = 200  # characters
# States of a node that could not be reached a moment ago.
_UNREACHED = ("unreachable", "disconnected")


class FilesFromNode(NamedTuple):
    """What a node sent of the files that it was asked for.

    Attributes:
        contents: the content of each file that exists, by its name in the question.
        errors: why a file cannot be read, in one line, by the same name.
        problem: why the node sent nothing, as a code with its data; None if it answered.
    """

    contents: Mapping[str, bytes]
    errors: Mapping[str, str]
    problem: tuple[str, dict[str, Any]] | None = None


def read_node_files(
    target: SSHTarget, paths: Mapping[str, str], unreached: Mapping[str, NodeReport] | None = None
) -> FilesFromNode:
    """Ask one node for files, with one question.

    Args:
        paths: where each file is on the node, by a name for the answer.
        unreached: nodes that are not asked, because they did not answer a moment ago.
    """
    if report := (unreached or {}).get(target.name):
        return _unreachable_node_files(next(iter(report.refusals), Refusal("nothing_deployed")))
    if target.address not in read_known_hosts_text(target.known_hosts):
        return FilesFromNode({}, {}, ("not_deployed", {}))
    arguments = {"action": "state_files", "files": dict(paths)}
    try:
        reply = call_within(NODE_SECONDS, lambda: call_runner(target, arguments, StateFilesAnswer))
    except TimeoutError:
        late = _("no answer within {node_seconds:.0f} seconds", node_seconds=NODE_SECONDS)
        reply = RunnerReply(None, SSH_FAILED, late)
    if reply.answer is not None:
        return _decode_answer(reply.answer)
    if reply.code == NO_PYTHON:
        return FilesFromNode({}, {}, ("not_deployed", {}))
    return _unreachable_node_files(no_answer_refusal(target, reply.code, reply.last_error))


def unreached_nodes(reports: Sequence[NodeReport]) -> dict[str, NodeReport]:
    """Return the reports of nodes that could not be reached, by the name of the node."""
    return {report.name: report for report in reports if report.state in _UNREACHED}


def _unreachable_node_files(refusal: Refusal) -> FilesFromNode:
    data = {"reason": refusal.reason, "fix": refusal.fix}
    return FilesFromNode({}, {}, ("node_unreachable", data))


def _decode_answer(answer: StateFilesAnswer) -> FilesFromNode:
    contents = {}
    errors = {name: to_one_line(text)[:_MAX_ERROR] for name, text in answer["errors"].items()}
    for name, text in answer["files"].items():
        try:
            contents[name] = a2b_base64(text)
        except (Base64Error, ValueError):
            errors.setdefault(name, _("its content is not base64"))
    return FilesFromNode(contents, errors)

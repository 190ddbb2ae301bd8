"""Ask every node what changed since its last deploy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chautari.deploy.remote_run import NO_PYTHON, busy_refusal, no_answer_refusal
from chautari.deploy.request import Request
from chautari.language import _
from chautari.node.drift import drift_text
from chautari.node.events import DriftAnswer
from chautari.parallel import map_parallel
from chautari.render.provider import known_endpoints
from chautari.report import messages
from chautari.ssh.runner_client import call_runner
from chautari.ssh.target import SSHTarget, ssh_targets

_NOTHING_DEPLOYED: DriftAnswer = {
    "event": "drift", "roles": {}, "deployed": 0, "known": 0, "busy": None,
}  # fmt: skip


@dataclass(frozen=True)
class NodeDrift:
    """What changed on one node; `answer` is None where the node did not answer."""

    node: str
    answer: DriftAnswer | None
    message: str = ""

    @property
    def ok(self) -> bool:
        """Return whether the node answered and nothing changed."""
        return self.answer is not None and not self.answer["roles"]

    def as_object(self) -> Mapping[str, object]:
        """Return plain JSON data, with the text of each change."""
        known = {"node": self.node, "reachable": self.answer is not None, "ok": self.ok}
        if self.answer is None:
            return known | {"message": self.message}
        roles = {
            role: [
                {**change, "text": messages.role_reason_text(change["code"], change["data"])}
                for change in changes
            ]
            for role, changes in self.answer["roles"].items()
        }
        return known | {
            "roles": roles, "deployed": self.answer["deployed"], "known": self.answer["known"],
            "busy": self.answer["busy"],
        }  # fmt: skip

    def describe(self) -> str:
        """Return what changed as text."""
        if self.answer is None:
            return f"{self.node}: {self.message}"
        text = drift_text(self.answer).replace("\n", "\n  ")
        if self.answer["busy"]:
            refusal = busy_refusal(self.answer["busy"])
            text += _("\n  ({reason} The result may change.)", reason=refusal.reason)
        return f"{self.node}: {text}"


def drift_of_nodes(request: Request) -> list[NodeDrift]:
    """Return for each node what changed by role, and since when."""
    endpoints = known_endpoints(request.loaded_region)
    reached = ssh_targets(
        request.loaded_region, endpoints, request.node_names(), request.identities
    )
    return map_parallel(_ask_node_for_drift, reached, request.parallel)


def _ask_node_for_drift(target: SSHTarget) -> NodeDrift:
    reply = call_runner(target, {"action": "drift"}, DriftAnswer)
    if reply.answer is None and reply.code == NO_PYTHON:
        return NodeDrift(target.name, _NOTHING_DEPLOYED)
    if reply.answer is None:
        refusal = no_answer_refusal(target, reply.code, reply.last_error)
        return NodeDrift(target.name, None, f"{refusal.reason} {refusal.fix}")
    return NodeDrift(target.name, reply.answer)

"""Propose which node runs which service, with the reason for each.

The region's own rules and the preflight decide what fits, so they are the only place that knows a
service's needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from chautari.preflight.requirements import NodeRequirements
from chautari.preflight.rules import preflight_refusals
from chautari.region.model import Region
from chautari.region.rule import Finding
from chautari.region.rules import find_rule_violations
from chautari.region_setup.answers import RegionAnswers, ServiceAnswer
from chautari.region_setup.machine_inspection import Machine
from chautari.report.messages import refusal_texts
from chautari.report.model import Refusal
from chautari.services.artifacts import Artifact
from chautari.services.base import NewRegionFacts
from chautari.services.registry import SERVICES

# What a machine needs for its own system, in MB.
SYSTEM_MB = 300
MAX_REASONS = 3


class Placement(NamedTuple):
    """A service on a node; `code` and `data` say why there."""

    service: str
    node: str
    code: str
    data: dict[str, Any]


class Postponed(NamedTuple):
    """A service that no node can run yet, with the reasons."""

    service: str
    reasons: tuple[str, ...]


class Proposal(NamedTuple):
    """Where each service goes, and the content of `region.yml` that follows."""

    placements: tuple[Placement, ...]
    postponed: tuple[Postponed, ...]
    data: dict[str, Any]


def propose_placement(answers: RegionAnswers, machines: Sequence[Machine]) -> Proposal:
    """Return the proposal for all services of the region.

    A service that fits on the fewest nodes is placed first.
    """
    planner = _PlacementPlanner(answers, machines)
    # Where no node fits yet, the service may need one that is placed before.
    waiting = sorted(answers.services, key=lambda item: planner.count_fitting_nodes(item) or 1000)
    for wanted in waiting:
        planner.place(wanted)
    planner.postpone_what_rules_refuse()
    order = [item.service for item in answers.services]
    placements = sorted(planner.placed.values(), key=lambda item: order.index(item.service))
    data = planner.data(planner.nodes_by_service())
    return Proposal(tuple(placements), tuple(planner.postponed), data)


class _PlacementPlanner:
    """The placement so far."""

    def __init__(self, answers: RegionAnswers, machines: Sequence[Machine]) -> None:
        self._answers = answers
        self._machines = {machine.node.name: machine for machine in machines}
        self.placed: dict[str, Placement] = {}
        self.postponed: list[Postponed] = []

    def nodes_by_service(self) -> dict[str, str]:
        return {service: item.node for service, item in self.placed.items()}

    def count_fitting_nodes(self, wanted: ServiceAnswer) -> int:
        return sum(not self._placement_problems(wanted.service, node) for node in self._machines)

    def place(self, wanted: ServiceAnswer) -> None:
        """Place a service on the best node, or postpone it."""
        candidates = [wanted.node] if wanted.node else list(self._machines)
        problems = {node: self._placement_problems(wanted.service, node) for node in candidates}
        fitting = [node for node in candidates if not problems[node]]
        if not fitting:
            reasons = [f"{node}: {text}" for node, texts in problems.items() for text in texts]
            self.postponed.append(Postponed(wanted.service, tuple(dict.fromkeys(reasons))))
            return
        best = max(fitting, key=self._room_on_node)
        code, data = self._reason_for_node(wanted, best, fitting)
        self.placed[wanted.service] = Placement(wanted.service, best, code, data)

    def postpone_what_rules_refuse(self) -> None:
        """Postpone services whose own settings the rules refuse, such as one without a checksum."""
        while refused := dict(self._rule_violations_by_placed_service()):
            for service, texts in refused.items():
                del self.placed[service]
                self.postponed.append(Postponed(service, tuple(texts)))

    def data(self, nodes: Mapping[str, str]) -> dict[str, Any]:
        """Return the content of `region.yml` with services on `nodes`, by service."""
        found = self._answers.as_yaml_data()
        found["nodes"] = {
            name: machine.node.as_yaml_data()
            | {"services": [x for x, y in nodes.items() if y == name]}
            for name, machine in self._machines.items()
        }
        later = {item.service for item in self.postponed}
        wanted = tuple(x.service for x in self._answers.services if x.service not in later)
        settings = {
            service: self._initial_settings(service, node, wanted)
            for service, node in nodes.items()
            if SERVICES[service].settings
        }
        return found | ({"services": settings} if settings else {})

    def _initial_settings(self, service: str, node: str, others: tuple[str, ...]) -> dict[str, Any]:
        """Return the settings that a new region writes down: the host, and what rules require."""
        described = SERVICES[service]
        assert described.settings is not None
        host = described.settings.model_fields.get("host")
        found: dict[str, Any] = {"host": host.default} if host and host.default else {}
        if described.first_settings:
            os = self._machines[node].node.as_yaml_data()["os"]
            found |= described.first_settings(NewRegionFacts(self._answers.operator, os, others))
        return found

    def _placement_problems(self, service: str, node: str) -> list[str]:
        """Return why a node cannot run a service in addition to what is placed there."""
        before, after = self.nodes_by_service(), self.nodes_by_service() | {service: node}
        known = {text for _, text in _rule_violations(self.data(before))}
        found = [
            text
            for path, text in _rule_violations(self.data(after))
            if path[:2] == ("nodes", node) and text not in known
        ]
        on_node = tuple(x for x, y in after.items() if y == node)
        refusals = _machine_refusals(self._machines[node], service, on_node)
        return found + [refusal_texts(refusal.code, refusal.data)[0] for refusal in refusals]

    def _room_on_node(self, node: str) -> tuple[float, int]:
        """Return how much room a node has: free memory, else few services."""
        on_node = [service for service, item in self.placed.items() if item.node == node]
        return self._free_mb(node), -len(on_node)

    def _free_mb(self, node: str) -> float:
        machine = self._machines[node].facts
        used = sum(
            SERVICES[name].requires.memory_mb
            for name, item in self.placed.items()
            if item.node == node
        )
        return (machine.memory_kb // 1024 if machine else 0) - used

    def _reason_for_node(
        self, wanted: ServiceAnswer, best: str, fitting: Sequence[str]
    ) -> tuple[str, dict[str, Any]]:
        if wanted.node:
            return "chosen", {}
        if len(self._machines) == 1:
            return "only_node", {}
        if len(fitting) == 1:
            others = [node for node in self._machines if node != best]
            problems = [
                text for node in others for text in self._placement_problems(wanted.service, node)
            ]
            reasons = dict.fromkeys(text.partition(";")[0].rstrip(".") for text in problems)
            return "only_fit", {"others": others, "reasons": list(reasons)[:MAX_REASONS]}
        if self._machines[best].facts is None:
            return "fewest_services", {}
        return "most_memory", {"free_mb": int(self._free_mb(best))}

    def _rule_violations_by_placed_service(self) -> Iterator[tuple[str, list[str]]]:
        found: dict[str, list[str]] = {}
        for path, text in _rule_violations(self.data(self.nodes_by_service())):
            if path[0] == "services" and str(path[1]) in self.placed:
                found.setdefault(str(path[1]), []).append(text)
        yield from found.items()


def _machine_refusals(machine: Machine, service: str, on_node: Sequence[str]) -> Iterator[Refusal]:
    """Yield why a machine is too small for a service, on its own and with others."""
    found = machine.facts
    if found is None:
        return
    os = machine.node.as_yaml_data()["os"]
    general = preflight_refusals(found, NodeRequirements(os, ()))
    own = preflight_refusals(found, NodeRequirements(os, (service,)))
    yield from (refusal for refusal in own if refusal not in general)
    memory_mb = found.memory_kb // 1024
    needed = SYSTEM_MB + sum(SERVICES[name].requires.memory_mb for name in on_node)
    if len(on_node) > 1 and memory_mb < needed:
        yield Refusal("memory_low", {"found_mb": memory_mb, "needed_mb": needed})


def _rule_violations(data: Mapping[str, Any]) -> list[Finding]:
    """Return what the rules find in a region; its fields are known to be right."""
    return find_rule_violations(Region.model_validate(data), _shipped_releases())


def _shipped_releases() -> dict[str, dict[str, Artifact]]:
    found: dict[str, dict[str, Artifact]] = {}
    for service in SERVICES.values():
        for release in service.releases:
            found.setdefault(release.name, {})[release.version] = release
    return found

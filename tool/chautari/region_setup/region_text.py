"""Write a new `region.yml`: each key with what it means, and the keys that can be added later."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from chautari.language import _
from chautari.region.error_messages import as_flow_yaml
from chautari.region.model import Region
from chautari.region_setup.machine_inspection import Machine
from chautari.region_setup.placement import Proposal
from chautari.report import region_setup_texts
from chautari.services.registry import SERVICES

WIDTH = 98
# Keys that most regions need one day; the reference has all.
_LATER = ("mail", "backup", "federation")


def region_file_text(proposal: Proposal, machines: Sequence[Machine]) -> str:
    """Return the text of `region.yml`."""
    data = proposal.data
    lines = [*_comment_lines(region_setup_texts.region_file_comment(data["region"]))]
    for key, value in data.items():
        if key not in ("nodes", "services", "mail"):
            lines += ["", *_field_lines(Region, key, value)]
    lines += ["", *_nodes_lines(data["nodes"], machines)]
    lines += ["", *_services_lines(proposal)]
    if "mail" in data:
        lines += ["", *_field_lines(Region, "mail", data["mail"])]
    for key in _LATER:
        if key not in data:
            lines += ["", *_comment_lines(_first_sentence(_field_with_key(Region, key)))]
            [example] = _field_with_key(Region, key).examples or [None]
            lines.append(f"# {key}: {as_flow_yaml(example)}")
    return "\n".join(lines) + "\n"


def _field_lines(model: type[BaseModel], key: str, value: Any) -> Iterator[str]:
    yield from _comment_lines(_first_sentence(_field_with_key(model, key)))
    if isinstance(value, dict):
        yield f"{key}:"
        yield from (f"  {name}: {as_flow_yaml(item)}" for name, item in value.items())
    else:
        yield f"{key}: {as_flow_yaml(value)}"


def _nodes_lines(nodes: Mapping[str, Any], machines: Sequence[Machine]) -> Iterator[str]:
    yield from _comment_lines(_first_sentence(_field_with_key(Region, "nodes")))
    yield "nodes:"
    for machine in machines:
        yield f"  {machine.node.name}:"
        yield from _comment_lines(region_setup_texts.machine_comment(machine.as_object()), 4)
        for key, value in nodes[machine.node.name].items():
            if key == "host_key":
                yield from _comment_lines(_(region_setup_texts.HOST_KEY_NOTE), 4)
            yield f"    {key}: {as_flow_yaml(value)}"


def _services_lines(proposal: Proposal) -> Iterator[str]:
    settings: Mapping[str, Any] = proposal.data.get("services", {})
    reasons = {item.service: item for item in proposal.placements}
    if settings:
        yield from _comment_lines(_first_sentence(_field_with_key(Region, "services")))
        yield "services:"
    for name, values in settings.items():
        yield from _comment_lines(f"{_(SERVICES[name].title)}: {_(SERVICES[name].summary)}.", 2)
        placed = reasons[name]
        yield from _comment_lines(
            region_setup_texts.placement_reason(placed.code, placed.data | {"node": placed.node}), 2
        )
        yield f"  {name}:"
        yield from _settings_lines(name, values)
    for item in proposal.postponed:
        text = region_setup_texts.postponed_text(_(SERVICES[item.service].title), item.reasons)
        yield from _comment_lines(text, 2)


def _settings_lines(service: str, present: Mapping[str, Any]) -> Iterator[str]:
    """Yield all settings: those with their default are comments that can be activated."""
    model = SERVICES[service].settings
    assert model is not None
    for name, field in model.model_fields.items():
        key = field.alias or name
        yield from _comment_lines(_first_sentence(field), 4)
        if key in present:
            yield f"    {key}: {as_flow_yaml(present[key])}"
            continue
        [example] = field.examples or [None]
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        value = example if default in (None, (), {}) else default
        yield f"    # {key}: {as_flow_yaml(value)}"


def _field_with_key(model: type[BaseModel], key: str) -> FieldInfo:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    return fields[key]


def _first_sentence(field: FieldInfo) -> str:
    return _(field.description or "").partition(". ")[0].rstrip(".") + "."


def _comment_lines(text: str, indent: int = 0) -> Iterator[str]:
    start = " " * indent + "# "
    for paragraph in text.splitlines():
        yield from textwrap.wrap(
            paragraph, WIDTH, initial_indent=start, subsequent_indent=start,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip

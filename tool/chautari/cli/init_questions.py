"""The questions of `deploy init`; each option that is given answers one of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from chautari.account import account_name
from chautari.cli.output import echo
from chautari.cli.text_checked_like_region_file import CheckedText
from chautari.errors import BadInput
from chautari.language import _
from chautari.region import field_types
from chautari.region.names import validate_name
from chautari.region.timezone_hints import zones_of_country
from chautari.region_setup import answers, machine_inspection, operator_keys
from chautari.region_setup.answers import MailAnswer, NodeAnswer, RegionAnswers, ServiceAnswer
from chautari.region_setup.machine_inspection import Machine
from chautari.region_setup.operator_names import first_valid_operator_name
from chautari.region_setup.placement import Proposal, propose_placement
from chautari.report import region_setup_texts
from chautari.report.messages import refusal_texts
from chautari.report.plain_table import table_lines
from chautari.services.registry import EXAMPLE, SERVICES
from chautari.suggestions import fix_for_unknown_word

_LOCALE_LANGUAGE = re.compile(r"([a-z]{2,3})_[A-Z]{2}")
_MAX_NODES = 50


@dataclass(frozen=True)
class InitOptions:
    """The options as they were given; None or empty where a question decides."""

    name: str | None = None
    domain: str | None = None
    contact: str | None = None
    country: str | None = None
    timezone: str | None = None
    languages: tuple[str, ...] = ()
    bandwidth: str | None = None
    operator: str | None = None
    key_file: Path | None = None
    nodes: tuple[NodeAnswer, ...] = ()
    services: tuple[ServiceAnswer, ...] = ()
    relay: tuple[str, int] | None = None
    relay_user: str | None = None
    mail_from: str | None = None
    no_look: bool = False
    identities: tuple[Path, ...] = field(default=())


@dataclass(frozen=True)
class NewRegionFiles:
    """All that the files are made of."""

    answers: RegionAnswers
    machines: list[Machine]
    proposal: Proposal

    def machines_as_json_objects(self) -> list[dict[str, object]]:
        """Return what is known of each machine as plain JSON data."""
        return [
            machine.as_object() | {"problems": [_problem_object(x) for x in machine.problems]}
            for machine in self.machines
        ]

    def placement_objects(self) -> list[dict[str, object]]:
        """Return where each service runs, and why, as plain JSON data."""
        return [
            item._asdict() | {"text": _placement_text(item.code, item.data, item.node)}
            for item in self.proposal.placements
        ]


def collect_answers(
    options: InitOptions, interactive: bool, refuse_region: Callable[[str], None]
) -> NewRegionFiles:
    """Return all answers, the machines and the proposal.

    Raises:
        BadInput: when an answer is missing and there is no person to ask, or it cannot be used.
    """
    if options.name:
        refuse_region(options.name)
    if not interactive:
        _refuse_missing_options(options)
    name = options.name or _ask_region_name(refuse_region)
    domain = options.domain or _ask_until_valid(
        _("Domain of the region"), field_types.validate_domain
    )
    contact = options.contact or _ask_until_valid(
        _("Mail address of the operators"), field_types.validate_email
    )
    country = _ask_for_country(options, interactive)
    key = _choose_operator_key(options, interactive)
    start = RegionAnswers(
        name=name, domain=domain, contact=contact, country=country, key=key.line,
        operator="", timezone=_ask_for_timezone(options, country, interactive),
        languages=_ask_for_languages(options, interactive),
        bandwidth=_ask_for_bandwidth(options, interactive),
    )  # fmt: skip
    nodes = options.nodes or _ask_nodes()
    _refuse_duplicate_node_names(nodes)
    found = _inspect_machines_unless_disabled(nodes, options)
    start = replace(
        start,
        nodes=tuple(machine.node for machine in found),
        operator=_choose_operator_name(
            options, key.line, [machine.node.user for machine in found], interactive
        ),
        services=options.services or (_ask_services() if interactive else ()),
    )
    _refuse_unknown_nodes(start)
    start = replace(start, mail=_ask_for_mail_relay(options, start, interactive))
    return _propose_and_confirm_placement(start, found, interactive)


def _refuse_missing_options(options: InitOptions) -> None:
    """Refuse all that is missing at once, where no person can be asked."""
    needed = {
        "NAME": options.name,
        "--domain DOMAIN": options.domain,
        "--contact MAIL": options.contact,
        "--node NAME=ADDRESS": options.nodes,
        "--service SERVICE": options.services,
    }
    missing = [option for option, value in needed.items() if not value]
    if missing:
        raise BadInput(
            _(
                "without questions, these options are also required: {missing}",
                missing=", ".join(missing),
            ),
            fix=_("add them; or run `deploy init` in a terminal, without --yes and --json"),
        )


def _ask_until_valid(
    question: str, validator: Callable[[str], Any], default: str | None = None
) -> Any:
    """Return a checked answer; a wrong one is explained, and asked again."""
    return click.prompt(
        question, type=CheckedText("TEXT", validator), default=default, err=True,
        show_default=bool(default),
    )  # fmt: skip


def _ask_region_name(refuse_region: Callable[[str], None]) -> str:
    while True:
        name: str = _ask_until_valid(_("Name of the region, such as andes"), validate_name)
        try:
            refuse_region(name)
        except BadInput as error:
            echo(error.message, err=True)
        else:
            return name


def _ask_for_country(options: InitOptions, interactive: bool) -> str:
    if options.country or not interactive:
        return options.country or ""

    def check(value: str) -> str:
        return field_types.check_country(value.upper()) if value else ""

    return str(_ask_until_valid(_("Country code, such as CO or NP (may be empty)"), check, ""))


def _ask_for_timezone(options: InitOptions, country: str, interactive: bool) -> str:
    """Return the time zone: the option's, the country's only one, or the answer."""
    zones = zones_of_country(country) if country else ()
    if options.timezone or not interactive:
        return options.timezone or (zones[0] if zones else "UTC")
    if len(zones) == 1:
        return zones[0]
    if zones:
        echo(
            _("Time zones of {country}: {zones}", country=country, zones=", ".join(zones)), err=True
        )
    return str(
        _ask_until_valid(
            _("Time zone"), field_types.validate_timezone, zones[0] if zones else "UTC"
        )
    )


def _ask_for_languages(options: InitOptions, interactive: bool) -> tuple[str, ...]:
    found = _LOCALE_LANGUAGE.match(os.environ.get("LC_ALL") or os.environ.get("LANG") or "")
    default = found[1] if found else "en"
    if options.languages or not interactive:
        return options.languages or (default,)
    return tuple(
        _ask_until_valid(
            _("Languages of the users, such as es or ne, the most important one first"),
            _check_languages,
            default,
        )
    )


def _check_languages(text: str) -> tuple[str, ...]:
    return tuple(field_types.check_language(word) for word in _split_words(text))


def _ask_for_bandwidth(options: InitOptions, interactive: bool) -> str:
    if options.bandwidth or not interactive:
        return options.bandwidth or "normal"
    slow = click.confirm(_("Do many people have slow connections?"), default=True, err=True)
    return "low" if slow else "normal"


def _choose_operator_key(options: InitOptions, interactive: bool) -> operator_keys.OperatorKey:
    """Return the operator's public key; where there are several, the person chooses."""
    if options.key_file:
        try:
            return operator_keys.read_key_file(options.key_file)
        except ValueError as error:
            raise BadInput(
                f"{options.key_file}: {error}",
                fix=_("use the .pub file of your SSH key: --key FILE"),
            ) from None
    found, unusable = operator_keys.find_operator_keys()
    if not found:
        reasons = "".join(f"\n  {item.source}: {item.reason}" for item in unusable)
        raise BadInput(
            _("no usable SSH key was found{reasons}", reasons=reasons),
            fix=_("create one: ssh-keygen -t ed25519; or name a file: --key FILE"),
        )
    if len(found) == 1 or not interactive:
        return found[0]
    for number, key in enumerate(found, 1):
        kind, comment = key.line.split()[0], _comment_of_public_key(key.line)
        echo(f"  {number}. {kind} {comment} ({key.source})", err=True)
    chosen = click.prompt(_("Your key"), type=click.IntRange(1, len(found)), default=1, err=True)
    return found[chosen - 1]


def _comment_of_public_key(line: str) -> str:
    words = line.split(maxsplit=2)
    return words[2] if len(words) == 3 else ""


def _choose_operator_name(
    options: InitOptions, key: str, logins: Iterable[str], interactive: bool
) -> str:
    if options.operator:
        return options.operator
    default = first_valid_operator_name(
        (_comment_of_public_key(key).partition("@")[0], account_name()), logins
    )
    return (
        str(_ask_until_valid(_("Your name as operator"), validate_name, default))
        if interactive
        else (default)
    )


def _ask_nodes() -> tuple[NodeAnswer, ...]:
    """Ask for machines until the answer is empty."""
    found: list[NodeAnswer] = []
    while len(found) < _MAX_NODES:
        question = _("Address of the first machine, such as root@203.0.113.10")
        if found:
            question = _("Address of the next machine (leave it empty to continue)")
        node = _ask_until_valid(
            question, lambda text: _parse_next_node(text, found), "" if found else None
        )
        if node is None:
            break
        name = _ask_until_valid(
            _("  Name of this machine"), lambda text: _check_new_node_name(text, found), node.name
        )
        found.append(node._replace(name=name))
    return tuple(found)


def _parse_next_node(text: str, earlier_nodes: Sequence[NodeAnswer]) -> NodeAnswer | None:
    if not text and earlier_nodes:
        return None
    node = answers.parse_login(f"node{len(earlier_nodes) + 1}", text)
    if any((node.address, node.port) == (other.address, other.port) for other in earlier_nodes):
        raise ValueError(
            _(
                "{address} is already in the list; each node needs its own address",
                address=node.address,
            )
        )
    return node


def _refuse_duplicate_node_names(nodes: Sequence[NodeAnswer]) -> None:
    names = [node.name for node in nodes]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(
                _("{name} is already the name of another node", name=name),
                fix=_("give each node its own name"),
            )


def _check_new_node_name(text: str, earlier_nodes: Sequence[NodeAnswer]) -> str:
    name = validate_name(text)
    if any(name == node.name for node in earlier_nodes):
        raise ValueError(_("{name} is already the name of another node", name=name))
    return name


def _inspect_machines_unless_disabled(
    nodes: Sequence[NodeAnswer], options: InitOptions
) -> list[Machine]:
    if options.no_look:
        return [Machine(node) for node in nodes]
    echo(_("Inspecting: {nodes} …", nodes=", ".join(node.name for node in nodes)), err=True)
    found = machine_inspection.inspect_machines(nodes, options.identities)
    for machine in found:
        note = _(region_setup_texts.NOT_REACHED)
        if machine.facts is not None:
            note = region_setup_texts.machine_comment(machine.as_object())
        echo(f"  {machine.node.name}: {note}", err=True)
        for problem in machine.problems:
            happened, fix = refusal_texts(problem.code, problem.data)
            echo(f"    {happened} {fix}", err=True)
    return found


def _ask_services() -> tuple[ServiceAnswer, ...]:
    rows = [(name, _(service.summary)) for name, service in SERVICES.items()]
    for line in table_lines((_("Service"), _("Purpose")), rows):
        echo(line, err=True)
    found: tuple[ServiceAnswer, ...] = _ask_until_valid(
        _("Services, separated by spaces"), lambda text: _parse_services(text), EXAMPLE
    )
    return found


def _parse_services(text: str) -> tuple[ServiceAnswer, ...]:
    found = tuple(dict.fromkeys(answers.parse_service(word) for word in _split_words(text)))
    if not found:
        raise ValueError(_("enter at least one service"))
    return found


def _split_words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _refuse_unknown_nodes(answers_so_far: RegionAnswers) -> None:
    names = [node.name for node in answers_so_far.nodes]
    for item in answers_so_far.services:
        if item.node and item.node not in names:
            raise BadInput(
                _(
                    "{service}@{node}: no machine is called {node}",
                    service=item.service,
                    node=item.node,
                ),
                fix=fix_for_unknown_word(item.node, names),
            )


def _ask_for_mail_relay(
    options: InitOptions, answers_so_far: RegionAnswers, interactive: bool
) -> MailAnswer | None:
    """Return the mail relay, which services that send mail need."""
    needed = any(SERVICES[item.service].sends_mail for item in answers_so_far.services)
    complete = options.relay and options.relay_user and options.mail_from
    if not complete and not interactive:
        if needed or options.relay or options.relay_user or options.mail_from:
            raise BadInput(
                _("the services send mail, but the settings of the mail relay are incomplete"),
                fix=_("add --relay HOST, --relay-user ACCOUNT and --mail-from MAIL"),
            )
        return None
    if not needed and not options.relay:
        return None
    host, port = options.relay or _ask_until_valid(
        _("Mail relay, such as smtp.example.org:587"), answers.parse_relay
    )
    user = options.relay_user or _ask_until_valid(
        _("  Account on the relay"), answers.check_relay_account
    )
    sender = options.mail_from or _ask_until_valid(
        _("  Sender address"), field_types.validate_email, f"cloud@{answers_so_far.domain}"
    )
    return MailAnswer(host, port, user, sender)


def _propose_and_confirm_placement(
    answers_so_far: RegionAnswers, found_machines: list[Machine], interactive: bool
) -> NewRegionFiles:
    """Return the answers with a proposal; a person can choose other nodes."""
    while True:
        proposal = propose_placement(answers_so_far, found_machines)
        _print_proposal(proposal)
        if not interactive or click.confirm(_("Is this right?"), default=True, err=True):
            return NewRegionFiles(answers_so_far, found_machines, proposal)
        answers_so_far = replace(answers_so_far, services=_ask_placement(answers_so_far, proposal))


def _ask_placement(answers_so_far: RegionAnswers, proposal: Proposal) -> tuple[ServiceAnswer, ...]:
    """Return the services on the nodes that a person chooses; `-` leaves one out."""
    proposed = {item.service: item.node for item in proposal.placements}
    nodes = [node.name for node in answers_so_far.nodes]
    chosen = []
    for item in answers_so_far.services:
        node = click.prompt(
            _("Node for {service} (-: none)", service=item.service),
            type=click.Choice([*nodes, "-"]),
            default=proposed.get(item.service, "-"),
            err=True,
            show_choices=True,
        )
        if node != "-":
            chosen.append(ServiceAnswer(item.service, node))
    return tuple(chosen)


def _print_proposal(proposal: Proposal) -> None:
    for item in proposal.placements:
        echo(f"{item.service}: {_placement_text(item.code, item.data, item.node)}", err=True)
    for later in proposal.postponed:
        echo(region_setup_texts.postponed_text(later.service, later.reasons), err=True)


def _placement_text(code: str, data: dict[str, Any], node: str) -> str:
    return region_setup_texts.placement_reason(code, data | {"node": node})


def _problem_object(problem: Any) -> dict[str, object]:
    reason, fix = refusal_texts(problem.code, problem.data)
    return {"code": problem.code, "data": dict(problem.data), "reason": reason, "fix": fix}

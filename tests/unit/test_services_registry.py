"""Every service answers every question of the toolkit, and generic modules name no service."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from region_samples import ROOT
from role_samples import ROLES as ROLES_FOLDER
from role_samples import SHARED, options
from service_samples import context_of, region_of, secrets_of

from chautari.region import rules
from chautari.region.model import Region
from chautari.region.rule import Finding, Pins
from chautari.render.variables import variables_of_node
from chautari.secrets.required_secrets import secret_names_of_node
from chautari.services.base import PeerStateMeaning, Role
from chautari.services.nextcloud.peer_states import PEER_STATE_CODES as nextcloud_codes
from chautari.services.portal.peer_states import PEER_STATE_CODES as portal_codes
from chautari.services.registry import ROLES, SERVICES, roles_in_order
from chautari.services.shared_roles import BACKUP_ROLE, BASE_ROLES, SHARED_ROLES
from chautari.services.state import NODE_STATE, NODE_STATE_NAME, State

TOOL = ROOT / "tool"
NAMES = list(SERVICES)
WITH_SETTINGS = [name for name in NAMES if not SERVICES[name].is_auxiliary]
PACKAGES = [folder.name for folder in (TOOL / "chautari/services").glob("[!_]*/")]
# The order before roles declared what they run after: no node may see another one.
BEFORE = (
    "base", "ssh", "firewall", "mail", "nginx", "tls", "postgresql", "mariadb", "redis", "php",
    "nextcloud", "framadate", "repository", "turn", "videobridge", "jitsi", "bigbluebutton",
    "containers", "scalelite", "greenlight", "fail2ban",
)  # fmt: skip


def test_packages_are_named_for_their_services() -> None:
    assert sorted(PACKAGES) == sorted(name.replace("-", "_") for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_service_has_name_title_and_example(name: str) -> None:
    service = SERVICES[name]
    assert service.title and service.summary[0].islower() and service.summary[-1] != "."
    page = ROOT / "docs" / "services" / f"{service.page}.md"
    assert page.is_file(), f"write {page}"


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_settings_have_an_example_and_a_label(name: str) -> None:
    service = SERVICES[name]
    assert service.settings is not None
    assert service.settings.model_validate(dict(service.example))
    assert region_of(service).public_name(name, "bog1").endswith("andes.example.org")
    assert (service.settings.__doc__ or "").endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_roles_of_a_service_exist(name: str) -> None:
    service = region_of(SERVICES[name]).service_with_region_settings(name)
    assert service.roles and set(service.roles) <= set(ROLES)
    for role in service.roles:
        assert (ROLES_FOLDER / role / "tasks" / "main.yml").is_file()
    assert set(service.databases) <= set(service.roles)
    assert set(service.variables) <= set(service.roles)


@pytest.mark.parametrize("name", NAMES)
def test_service_has_a_molecule_scenario(name: str) -> None:
    files = (ROOT / "molecule").glob("*/region.yml")
    nodes = [node for file in files for node in yaml.safe_load(file.read_text())["nodes"].values()]
    assert any(name in node.get("services", ()) for node in nodes)


@pytest.mark.parametrize("name", NAMES)
def test_secrets_have_an_owner_and_a_meaning(name: str) -> None:
    service = region_of(SERVICES[name]).service_with_region_settings(name)
    for spec in service.secrets:
        assert name in (spec.service, *spec.also_for)
        assert spec.meaning and spec.meaning[-1] != "."
        assert spec.user_supplied or re.fullmatch(spec.pattern or "(?s).{20,}", spec.make())


@pytest.mark.parametrize("name", NAMES)
def test_node_gets_only_secrets_that_its_roles_take(name: str) -> None:
    found = context_of(SERVICES[name])
    rendered = variables_of_node(found, secrets_of(found.region))
    documented = {key for role in rendered.roles for key in options(role)}
    assert set(rendered.secret) <= documented
    assert "receipt_key" not in secret_names_of_node(found.region, "bog1")


@pytest.mark.parametrize("name", NAMES)
def test_variables_cover_what_the_roles_require(name: str) -> None:
    found = context_of(SERVICES[name])
    rendered = variables_of_node(found, secrets_of(found.region))
    given = rendered.public | rendered.secret
    for role in rendered.roles:
        required = {key for key, spec in options(role).items() if spec.get("required")}
        assert required <= set(given), role


@pytest.mark.parametrize("name", NAMES)
def test_ports_say_what_they_are_for(name: str) -> None:
    service = region_of(SERVICES[name]).service_with_region_settings(name)
    for port in (
        *service.ports,
        *service.local_ports,
        *(p for r in ROLES.values() for p in r.ports),
    ):
        assert re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", port.port)
        assert port.protocol in ("tcp", "udp") and port.comment


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_card_says_how_the_service_is_opened(name: str) -> None:
    service = SERVICES[name]
    assert service.access_details_for_report is not None
    access_details_for_report = service.access_details_for_report(context_of(service))
    assert access_details_for_report.version and (
        access_details_for_report.login or access_details_for_report.note
    )


@pytest.mark.parametrize("name", NAMES)
def test_service_says_what_a_backup_stores(name: str) -> None:
    service = region_of(SERVICES[name]).service_with_region_settings(name)
    state = service.state
    assert state is not None, "set `state`, with a `reason` if there is nothing to store"
    stored = bool(state.folders or state.files or service.databases)
    assert stored != bool(state.reason)
    assert bool(state.pause) == bool(state.resume)
    assert_state_is_well_formed(state)


def test_node_has_state_of_its_own() -> None:
    assert_state_is_well_formed(NODE_STATE)
    assert NODE_STATE_NAME not in SERVICES


def assert_state_is_well_formed(state: State) -> None:
    folders = [folder.path for folder in state.folders]
    paths = [*folders, *state.files, *state.for_reading, *state.pause[:1], *state.resume[:1]]
    assert all(re.fullmatch(r"(/[A-Za-z0-9._-]+)+", path) for path in paths)
    for path in folders:
        inside = [other for other in folders if other.startswith(f"{path}/") or other == path]
        assert inside == [path], "a folder would be stored twice"
    for folder in state.folders:
        assert not any(pattern.startswith("/") or ".." in pattern for pattern in folder.exclude)


@pytest.mark.parametrize("name", NAMES)
def test_service_can_be_installed_from_somewhere(name: str) -> None:
    service = SERVICES[name]
    # A service without software of upstream consists of its role's own programs.
    own = any((ROLES_FOLDER / role.name / "files").is_dir() for role in service.own_roles)
    assert service.packages or service.image or service.artifacts or own
    if service.artifacts:
        assert {item.name for item in service.artifacts(context_of(service))} & set(
            service.archives
        )
    if service.packages:
        assert service.packages.version(context_of(service)) and service.packages.sources(
            context_of(service)
        )


@pytest.mark.parametrize("name", NAMES)
def test_rules_apply_only_to_a_region_with_the_service(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = region_of(SERVICES[name])
    data = region.model_dump(by_alias=True, mode="json")
    without = Region.model_validate(
        data | {"nodes": {"bog1": {"address": "203.0.113.10"}}, "services": {}}
    )

    def finds(_: Region, __: Pins) -> Iterator[Finding]:
        yield ("services", name), "found"

    monkeypatch.setitem(SERVICES, name, replace(SERVICES[name], rules=(finds,)))
    assert (("services", name), "found") in rules.find_rule_violations(region, {})
    assert rules.find_rule_violations(without, {}) == []


@pytest.mark.parametrize("name", NAMES)
def test_archives_have_a_source_that_gives_pinnable_addresses(name: str) -> None:
    service = SERVICES[name]
    assert {source.name for source in service.sources} == set(service.archives)
    for source in service.sources:
        assert source.url.startswith("https://") and "{0}" in source.url
        assert re.compile(source.version_pattern).groups == 1
        if source.signer:
            assert re.fullmatch("[0-9A-F]{40}", source.signer.fingerprint)
        if source.catalogue:
            assert all(re.fullmatch("[0-9a-f]{64}", one) for one in source.catalogue.authorities)


@pytest.mark.parametrize("name", NAMES)
def test_service_says_how_operators_look_inside(name: str) -> None:
    found = region_of(SERVICES[name]).service_with_region_settings(name).logs_and_commands
    assert found.units and found.commands
    for unit in found.units:
        assert re.fullmatch(r"[a-z0-9*@-]+\.service", unit)
    for file in found.files:
        assert re.fullmatch(r"/var/log/[a-z]+/[a-z.*-]+\.log", file)
        assert "access" not in file, "every visitor's address is in it"
    for command, item in found.commands.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", command)
        assert item.argv and item.purpose[-1] != "."
        page = (ROOT / "docs" / "looking-inside.md").read_text()
        assert f"| `{command}` |" in page and item.purpose in page


@pytest.mark.parametrize("name", NAMES)
def test_federation_hooks_say_how_peers_stand(name: str) -> None:
    hooks = region_of(SERVICES[name]).service_with_region_settings(name).federation
    if hooks is not None:
        assert re.fullmatch(r"/var/lib/chautari-[a-z-]+/([a-z-]+/)?[a-z-]+\.json", hooks.state_file)
        assert_codes_have_texts(hooks.codes)


@pytest.mark.parametrize("codes", [nextcloud_codes, portal_codes])
def test_codes_about_peers_have_texts(codes: Mapping[str, PeerStateMeaning]) -> None:
    assert_codes_have_texts(codes)


def assert_codes_have_texts(codes: Mapping[str, PeerStateMeaning]) -> None:
    assert {code.state for code in codes.values()} == {"green", "pending", "broken"}
    for name, code in codes.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
        assert code.cause and not code.cause.endswith("."), name
        assert bool(code.next_step) == (code.state != "green"), name
        assert not code.next_step.endswith("."), name


def test_roles_run_in_the_order_of_earlier_releases() -> None:
    for service in SERVICES.values():
        own = region_of(service).service_with_region_settings(service.name)
        on_node = set(BASE_ROLES) | set(own.roles)
        known = [role for role in BEFORE if role in on_node]
        assert [role for role in ROLES if role in on_node and role in BEFORE] == known
    web = set(BEFORE) - {"bigbluebutton"}  # needs its own machine
    assert [role for role in ROLES if role in web] == [role for role in BEFORE if role in web]


def test_backups_run_after_all_services() -> None:
    assert list(ROLES)[-1] == BACKUP_ROLE


def test_every_role_is_defined_once() -> None:
    own = [role.name for service in SERVICES.values() for role in service.own_roles]
    names = [*own, *(role.name for role in SHARED_ROLES)]
    assert len(names) == len(set(names)) == len(ROLES)
    assert set(names) | set(SHARED) >= {folder.name for folder in ROLES_FOLDER.glob("*/")}


@pytest.mark.parametrize("after", [("second",), ("missing",)])
def test_roles_without_an_order_are_refused(after: tuple[str, ...]) -> None:
    circle = [Role("first", "First", after=after), Role("second", "Second", after=("first",))]
    with pytest.raises(ValueError, match="no order is possible: first, second"):
        roles_in_order([], circle)


def words_of_services() -> re.Pattern[str]:
    own = {role.name for service in SERVICES.values() for role in service.own_roles}
    return re.compile("|".join(sorted({*NAMES, *own} - {"videobridge"})), re.IGNORECASE)


def generic_modules() -> Iterator[Path]:
    for file in sorted((TOOL / "chautari").rglob("*.py")):
        if "services" not in file.relative_to(TOOL / "chautari").parts[:1]:
            yield file
    # Doubles imitate a service, the demo does what people do in one, and practice breaks one.
    of_services = {"doubles", "demo_federation", "practice"}
    for file in sorted((TOOL / "chautari_sandbox").rglob("*.py")):
        if not of_services & set(file.parts):
            yield file


def named(file: Path) -> Iterator[str]:
    """Give the string literals and identifiers of a module that contain a service's name."""
    pattern = words_of_services()
    for node in ast.walk(ast.parse(file.read_text())):
        for field in ("id", "attr", "name", "arg", "value", "module"):
            value = getattr(node, field, None)
            if isinstance(value, str) and pattern.search(value):
                yield f"{file.relative_to(TOOL)}:{getattr(node, 'lineno', 0)}: {value[:60]!r}"


def test_generic_modules_name_no_service() -> None:
    assert [text for file in generic_modules() for text in named(file)] == []

"""Which package may import which, and which modules may start processes or print."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from region_samples import ROOT

TOOL = ROOT / "tool"
# From top to bottom: a module imports only from its own line and the lines below. The longest
# prefix counts, so that a module that others build on may be below its package.
LAYERS = (
    ("chautari_sandbox",),
    ("chautari.cli", "chautari.__main__", "chautari.reference"),
    (
        "chautari.deploy",
        "chautari.backup",
        "chautari.region_setup",
        "chautari.capacity",
        "chautari.migration",
    ),
    ("chautari.prepare",),
    ("chautari.ssh",),
    ("chautari.federation",),
    ("chautari.render", "chautari.dns_zone"),
    ("chautari.secrets",),
    ("chautari.preflight",),
    # The model of region.yml is made of the services' settings; the next test finds circles.
    # A service publishes the descriptor, and a region names its pinned peers.
    (
        "chautari.region",
        "chautari.services",
        "chautari.federation.descriptor",
        "chautari.federation.peers",
        "chautari.federation.refusal",
        "chautari.federation.lookalikes",
        "chautari.federation.signing_key",
        "chautari.federation.transfer",
        "chautari.federation.public_addresses",
        "chautari.federation.untrusted_json",
        "chautari.federation.validity",
        # Services, rules and variables need to know what is stored where.
        "chautari.backup.scope",
        "chautari.backup.secrets",
        "chautari.backup.space_letters",
        "chautari.backup.variables",
        "chautari.ssh.known_hosts",
    ),
    (
        "chautari.preflight.facts",
        "chautari.preflight.requirements",
        "chautari.preflight.existing_state",
        "chautari.preflight.listeners",
        "chautari.preflight.operator_lockout",
    ),
    ("chautari.report", "chautari.untrusted_node_file"),
    ("chautari.checks",),
    ("chautari.node",),
    (
        "chautari.git_versions",
        "chautari.process",
        "chautari.parallel",
        "chautari.files",
        "chautari.key_pairs",
        "chautari.toolkit_yaml",
    ),
    ("chautari.paths", "chautari.errors", "chautari.account", "chautari.suggestions"),
    ("chautari.language", "chautari.po_file"),
)
# These run on nodes, in containers, or in pytest.
ELSEWHERE = ("chautari.node", "chautari.checks", "chautari_sandbox")
# Commands, reports, and the generators of files.
PRINTS = ("chautari.cli", "chautari.report", "chautari.reference")


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("chautari", "chautari_sandbox"):
        for file in sorted((TOOL / package).rglob("*.py")):
            if (TOOL / package / "doubles") in file.parents or "internet" in file.parts:
                continue
            name = ".".join(file.relative_to(TOOL).with_suffix("").parts)
            yield name.removesuffix(".__init__"), file


MODULES = dict(modules())


@functools.cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text())


@functools.cache
def imports(name: str) -> tuple[tuple[str, bool], ...]:
    """Return what a module imports when it runs, and whether only in a function."""
    return tuple(_imports(tree_of(name), False))


def _imports(node: ast.AST, inside: bool) -> Iterator[tuple[str, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue  # types only: nothing is imported when the tool runs
        if isinstance(child, ast.Import):
            yield from ((alias.name, inside) for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            for alias in child.names:
                full = f"{child.module}.{alias.name}"
                yield (full if full in MODULES else child.module), inside
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from _imports(child, inside or function)


def layer(name: str) -> int | None:
    """Return the number of a module's line; None for what is not ours."""
    fitting = [
        (len(prefix), number)
        for number, line in enumerate(LAYERS)
        for prefix in line
        if name == prefix or name.startswith(f"{prefix}.")
    ]
    return max(fitting)[1] if fitting else None


def test_imports_go_down_the_layers() -> None:
    wrong = []
    for name in MODULES:
        own = layer(name)
        for other, _ in imports(name):
            below = layer(other)
            if own is not None and below is not None and below < own:
                wrong.append(f"{name} imports {other}")
    assert wrong == []


def test_every_module_has_a_layer() -> None:
    assert [name for name in MODULES if layer(name) is None and name != "chautari"] == []


def test_imports_have_no_cycles() -> None:
    graph = {
        name: {other for other, inside in imports(name) if other in MODULES and not inside}
        for name in MODULES
    }
    assert list(TopologicalSorter(graph).static_order())


def test_few_imports_are_inside_functions() -> None:
    """Only what takes long to load, and what does not travel with each action of a node."""
    late = {
        (name, child.lineno)
        for name in MODULES
        if name.startswith("chautari.")
        for function in ast.walk(tree_of(name))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.walk(function)
        if isinstance(child, ast.Import | ast.ImportFrom)
    }
    assert 0 < len(late) <= 30


def test_product_never_imports_the_sandbox() -> None:
    for name in MODULES:
        if name.startswith("chautari."):
            assert not [other for other, _ in imports(name) if other.startswith("chautari_sandbox")]


def test_one_module_starts_processes() -> None:
    starting = {
        name
        for name in MODULES
        if not name.startswith(ELSEWHERE)
        and ("subprocess" in dict(imports(name)) or "os.system" in MODULES[name].read_text())
    }
    assert starting == {"chautari.process"}


def test_only_commands_and_reports_print() -> None:
    printing = [
        f"{name}:{node.lineno}"
        for name in MODULES
        if not name.startswith((*PRINTS, *ELSEWHERE))
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "click.echo")
    ]
    assert printing == []

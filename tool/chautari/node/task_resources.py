"""Return the resources that a task manages, from its module's name and arguments.

Pure functions, so that every rule can be tested without a machine. A task whose changes this module
cannot name gets a code of `reason_texts.UNTRACKED`. Its role runs at every deploy unless the role's
`meta/receipt.yml` names what tracks that change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Resource = dict[str, Any]  # `kind`, `name`, and what of it is watched
Arguments = Mapping[str, Any]
# The resources to watch, and the code of a change that they do not cover ("" for none).
Managed = tuple[list[Resource], str]

# Modules that change nothing on the node, or only start others.
READING = frozenset({
    "assert", "debug", "fail", "find", "gather_facts", "getent", "include_role", "include_tasks",
    "include_vars", "import_role", "import_tasks", "meta", "package_facts", "pause", "ping",
    "service_facts", "set_fact", "set_stats", "setup", "slurp", "validate_argument_spec",
    "wait_for", "wait_for_connection",
})  # fmt: skip


def resources_of_task(action: str, arguments: Arguments, result: Arguments, reads: bool) -> Managed:
    """Return the resources that a task with these final `arguments` manages.

    Args:
        action: the module's name, with or without `ansible.builtin.`.
        arguments: its arguments after templating.
        result: what it returned; empty or censored for a task with `no_log`.
        reads: whether the task says `changed_when: false`.
    """
    name = action.removeprefix("ansible.builtin.").removeprefix("ansible.legacy.")
    if name in READING:
        return [], ""
    if name in ("command", "shell", "script", "raw", "expect"):
        return _resources_of_command(arguments, reads)
    known = _KNOWN.get(name)
    if known is None:
        return [], "unknown_module"
    return known(arguments, result)


def resource_key(item: Resource) -> str:
    """Return what identifies a resource: its kind and name."""
    return f"{item['kind']} {item['name']}"


def merge_resource_descriptions(before: Resource | None, item: Resource) -> Resource:
    """Return a resource as two tasks of a role describe it, `item` from the later one.

    A file is as it was written last. Tasks describe parts of a unit or package: one enables it, a
    handler only restarts it. A unit that a task starts has to run after a restart as well.
    """
    if before is None or item["kind"] == "path":
        return item
    keeps = before.get("desired") == "started"
    keeps &= item.get("desired") in ("restarted", "reloaded")
    return before | item | ({"desired": "started"} if keeps else {})


def path_resource(path: str, **more: Any) -> Resource:
    """Return the item of a file, directory or link: its kind, mode, owner and content."""
    return {"kind": "path", "name": path.rstrip("/") or "/"} | more


def _resources_of_command(arguments: Arguments, reads: bool) -> Managed:
    if creates := arguments.get("creates"):
        return [{"kind": "exists", "name": str(creates)}], ""
    return [], "" if reads else "command"


def _resources_of_file(arguments: Arguments, result: Arguments) -> Managed:
    path = _first_argument(arguments, "path", "dest", "name")
    if _is_true(arguments.get("recurse")):
        return [path_resource(path)], "file_tree"
    return [path_resource(path)], ""


def _resources_of_copy(arguments: Arguments, result: Arguments) -> Managed:
    path = str(result.get("dest") or _first_argument(arguments, "dest"))
    source = str(arguments.get("src") or "")
    if source.endswith("/") or result.get("state") == "directory":
        return [path_resource(path)], "copied_tree"
    if path.endswith("/"):  # a censored result does not name the file
        return [path_resource(path)], "unnamed_file"
    checksum = result.get("checksum")
    return [path_resource(path, **({"sha1": str(checksum)} if checksum else {}))], ""


def _resources_of_edited_file(arguments: Arguments, result: Arguments) -> Managed:
    return [path_resource(_first_argument(arguments, "path", "dest", "name"))], ""


def _resources_of_get_url(arguments: Arguments, result: Arguments) -> Managed:
    path = str(result.get("dest") or _first_argument(arguments, "dest"))
    return [path_resource(path)], ""


def _resources_of_apt(arguments: Arguments, result: Arguments) -> Managed:
    if arguments.get("deb"):
        return [], "package_file"
    names = arguments.get("name") or arguments.get("package") or arguments.get("pkg") or []
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",")]
    desired = _PACKAGE_STATES.get(str(arguments.get("state") or "present"))
    more = {"desired": desired} if desired else {}
    found = [_package_resource(str(name)) | more for name in names if name]
    wildcard = any("*" in item["name"] for item in found)
    sweeping = arguments.get("upgrade") not in (None, "no") or wildcard
    return found, "package_set" if sweeping else ""


# Package states of the module apt; "build-dep" installs other packages than it names.
_PACKAGE_STATES = {
    "present": "present", "installed": "present", "latest": "present", "absent": "absent",
}  # fmt: skip


def _package_resource(spec: str) -> Resource:
    name, _, version = spec.partition("=")
    item: Resource = {"kind": "package", "name": name.split(":")[0]}
    return item | ({"pinned": True} if version else {})


def _resources_of_dpkg_selections(arguments: Arguments, result: Arguments) -> Managed:
    return [{"kind": "package", "name": _first_argument(arguments, "name"), "held": True}], ""


def _resources_of_systemd(arguments: Arguments, result: Arguments) -> Managed:
    name = _first_argument(arguments, "name", "service", "unit")
    if not name:  # a mere daemon-reload
        return [], ""
    watched: Resource = {"enabled": True} if {"enabled", "masked"} & arguments.keys() else {}
    if state := arguments.get("state"):
        watched |= {"active": True, "desired": str(state)}
    if "." not in name.rsplit("@", 1)[-1].rsplit("/", 1)[-1]:
        name += ".service"
    return [{"kind": "unit", "name": name} | watched], ""


def _resources_of_user(arguments: Arguments, result: Arguments) -> Managed:
    return [{"kind": "account", "name": _first_argument(arguments, "name", "user")}], ""


def _resources_of_group(arguments: Arguments, result: Arguments) -> Managed:
    return [{"kind": "group", "name": _first_argument(arguments, "name")}], ""


def _resources_of_stat(arguments: Arguments, result: Arguments) -> Managed:
    # A role decides by whether the path exists: when that changes, it has to decide again.
    return [{"kind": "exists", "name": _first_argument(arguments, "path", "dest", "name")}], ""


def _resources_of_debconf(arguments: Arguments, result: Arguments) -> Managed:
    question = _first_argument(arguments, "question", "selection", "setting")
    return ([{"kind": "debconf", "name": question}] if question else []), ""


def _resources_of_deb822_repository(arguments: Arguments, result: Arguments) -> Managed:
    name = _first_argument(arguments, "name")
    source = str(result.get("dest") or f"/etc/apt/sources.list.d/{name}.sources")
    found = [path_resource(source)]
    if signed := result.get("key_filename"):
        found.append(path_resource(str(signed)))
    return found, ""


def _resources_of_uri(arguments: Arguments, result: Arguments) -> Managed:
    """Return no resource: a request that may change something cannot be tracked."""
    asks = str(arguments.get("method") or "GET").upper() in ("GET", "HEAD")
    return [], "" if asks and not arguments.get("dest") else "request"


def _resources_of_unarchive(arguments: Arguments, result: Arguments) -> Managed:
    if creates := arguments.get("creates"):
        return [{"kind": "exists", "name": str(creates)}], ""
    return [], "unpacked_tree"


def _first_argument(arguments: Arguments, *names: str) -> str:
    return next((str(arguments[name]) for name in names if arguments.get(name)), "")


def _is_true(value: Any) -> bool:
    return str(value).lower() in ("true", "yes", "1", "on")


_KNOWN: dict[str, Callable[[Arguments, Arguments], Managed]] = {
    "apt": _resources_of_apt,
    "package": _resources_of_apt,
    "assemble": _resources_of_copy,
    "blockinfile": _resources_of_edited_file,
    "copy": _resources_of_copy,
    "deb822_repository": _resources_of_deb822_repository,
    "debconf": _resources_of_debconf,
    "dpkg_selections": _resources_of_dpkg_selections,
    "file": _resources_of_file,
    "get_url": _resources_of_get_url,
    "group": _resources_of_group,
    "lineinfile": _resources_of_edited_file,
    "replace": _resources_of_edited_file,
    "service": _resources_of_systemd,
    "stat": _resources_of_stat,
    "systemd": _resources_of_systemd,
    "systemd_service": _resources_of_systemd,
    "template": _resources_of_copy,
    "unarchive": _resources_of_unarchive,
    "uri": _resources_of_uri,
    "user": _resources_of_user,
}

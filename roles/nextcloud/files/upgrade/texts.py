"""The text for each code: what happened, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The control side translates the texts of these tables, and of constants of this type.
Template = str
Templates = Mapping[str, str]
_FIXES: Templates = {
    "apps_not_ready": "pin a release of each app that supports the new version in artifacts.lock, "
    'or run "occ app:disable APP" on the node',
    "not_upgradable": "pin a release of each major version between the two in artifacts.lock",
    "no_room": "free disk space on the node",
    "backup_failed": 'read "journalctl -u chautari-backup" on the node and fix what it reports',
    "release_incomplete": "check the pin of this release",
    "release_differs": "check the pin of this release",
    "interrupted": "deploy again",
    "database_failed": "check PostgreSQL on the node, and deploy again",
}
_PROBLEMS: Templates = {
    "apps_not_ready": "these apps do not support Nextcloud {version}: {apps}",
    "not_upgradable": "Nextcloud {version} can be installed only over "
    "{accepted}, not over {before}",
    "no_room": "the safety copy needs {needed_mb} MB in {path}, and {free_mb} MB are free",
    "backup_failed": "the backup before the upgrade failed: {message}",
    "release_incomplete": "Nextcloud {version} lacks the files {files}",
    "release_broken": "PHP cannot read {file} of Nextcloud {version}: {message}",
    "release_differs": "the release {version} contains Nextcloud {found}",
    "release_silent": "Nextcloud {version} does not respond: {message}",
    "release_unfinished": "Nextcloud {version} is in the state {status} after its migration",
    "migration_failed": "the migration to Nextcloud {version} failed (exit code {status}): "
    "{message}",
    "indices_failed": "the missing {kind} of the database could not be added: {message}",
    "app_failed": "the app {app} could not be enabled again: {message}",
    "page_failed": "the page {path} answered with the status {status}: {message}",
    "service_failed": "{unit} did not restart: {message}",
    "maintenance_failed": "maintenance mode could not be switched: {message}",
    "database_failed": "PostgreSQL refused a step: {message}",
    "copy_failed": "{path} could not be copied: {message}",
    "file_failed": "a file could not be written: {message}",
    "interrupted": "it was interrupted (step: {state})",
}
_FIX_UNKNOWN: Template = 'read "journalctl -u nextcloud-upgrade" on the node'
_WITH_FIX: Template = "{text} Fix: {fix}."
_REPLACED: Template = "Nextcloud {to} replaced another copy of the same release."
_LOST_APPS: Template = "{text} The new version does not have these apps: {apps}."
_NOT_BEGUN: Template = (
    "The upgrade of Nextcloud did not begin: {reason}. Nothing was changed. Fix: deploy again."
)
_INCOMPLETE: Template = (
    "An interrupted upgrade of Nextcloud could not be completed (step: {state}): {problem}. "
    "People see a notice. The node tries again at its next start. Fix: correct the cause and "
    "deploy again."
)
_WENT_BACK: Template = (
    "The upgrade was undone: Nextcloud {from} runs again instead of {to}, with the data from "
    "before the upgrade."
)
_OUTCOMES: Templates = {
    "done": "Nextcloud was upgraded from {from} to {to}. "
    "It was out of service for {down_seconds} s.",
    "refused": "Nextcloud was not upgraded from {from} to {to}: {problem}. Nothing was changed.",
    "undone": "The upgrade from Nextcloud {from} to {to} failed: {problem}. The old version "
    "{from} serves again with all data. It was out of service for {down_seconds} s.",
    "undone_broken": "The upgrade from Nextcloud {from} to {to} failed: {problem}. The old "
    "version {from} was restored with all data, but it does not respond either.",
}


def problem_text(problem: Mapping[str, Any]) -> str:
    """Return what went wrong, in one line."""
    data = dict(problem.get("data", {}))
    if "apps" in data:
        data["apps"] = ", ".join(f"{app['name']} (up to {app['highest']})" for app in data["apps"])
    for name in ("files", "accepted"):
        if name in data:
            data[name] = ", ".join(data[name]) or "no other version"
    text = _PROBLEMS.get(str(problem.get("code")), "{code}").format_map(
        _Known(data | {"code": problem.get("code", "unknown problem")})
    )
    return " ".join(text.split()).rstrip(".")


def result_text(result: Mapping[str, Any]) -> str:
    """Return how a change of release ended, with the fix where one is known."""
    problem = result.get("problem") or {}
    template = _OUTCOMES.get(result["outcome"], "")
    if result["from"] == result["to"] and result["outcome"] == "done":
        template = _REPLACED
    if problem.get("code") == "went_back" and result["outcome"] == "undone":
        return _WENT_BACK.format_map(_Known(dict(result)))
    text = template.format_map(_Known(dict(result) | {"problem": problem_text(problem)}))
    if result["outcome"] == "done" and result.get("lost_apps"):
        text = _LOST_APPS.format(text=text, apps=", ".join(result["lost_apps"]))
    fix = _FIXES.get(str(problem.get("code")), _FIX_UNKNOWN)
    return text if result["outcome"] == "done" else _WITH_FIX.format(text=text, fix=fix)


def not_begun_text(message: str) -> str:
    """Return what to say when the program ended before it changed anything."""
    reason = message.rstrip(".")
    return _NOT_BEGUN.format(reason=reason)


def incomplete_text(problem: Mapping[str, Any], state: str) -> str:
    """Return what to say when an interrupted change could be neither finished nor undone."""
    return _INCOMPLETE.format(state=state, problem=problem_text(problem))


class _Known(dict[str, Any]):
    """Values of a template; a missing one is a question mark."""

    def __missing__(self, key: str) -> str:
        return "?"


def plan_lines(plan: Mapping[str, Any]) -> list[str]:
    """Return what an upgrade would do, line by line."""
    way = " → ".join([plan["from"], *plan["ladder"]])
    seconds = plan["last_down_seconds"]
    down = f"about {plan['estimated_seconds']} s"
    if seconds:
        down += f" (last time {seconds} s)"
    lines = [
        f"Nextcloud will be upgraded: {way}.",
        f"People see a notice for {down}.",
        f"The safety copy needs {plan['needed_mb']} MB in {plan['path']}, and "
        f"{plan['free_mb']} MB are free.",
        "A backup runs first."
        if plan["backup"]
        else "There is no backup outside the node: `backup` is not set in region.yml.",
    ]
    if plan["needed_mb"] > plan["free_mb"]:
        lines.append("A deploy refuses this upgrade. Fix: free disk space on the node.")
    if plan["apps"]:
        apps = ", ".join(f"{app['name']} (up to {app['highest']})" for app in plan["apps"])
        lines.append(
            f"A deploy refuses this upgrade: these apps do not support Nextcloud "
            f"{plan['ladder'][-1]}: {apps}. "
            f"Fix: {_FIXES['apps_not_ready']}."
        )
    return lines

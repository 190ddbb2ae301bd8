"""Texts that end in what a person does next: failures, results of runs, and steps.

`messages` renders them, as all texts of codes.
"""

from __future__ import annotations

from chautari.language import _
from chautari.report.message_templates import Data, Template


def _release_outdated_text(data: Data) -> str:
    """Return what is newer than a release: in its own series, and altogether."""
    same, newest = data["newest_of_series"], data["newest"]
    newer = [_("{same} is the newest in its series", same=same)] if same != data["version"] else []
    if newest != same:
        newer.append(_("{newest} is the newest release", newest=newest))
    nodes = ", ".join(data["nodes"])
    return _(
        "newer releases: {name} {version} on {nodes}: {newer}",
        name=data["name"],
        version=data["version"],
        nodes=nodes,
        newer="; ".join(newer),
    )


# The known causes of failures, with what to do.
CAUSES: dict[str, Template] = {
    "disk_full": (
        "The disk is full. To see which file system is full, run `df -h; df -i` on the node. Then "
        "free some space."
    ),
    "out_of_memory": (
        "The node ran out of memory. Run `free -m` on the node, then stop other programs or add "
        "memory."
    ),
    "port_taken": (
        "Another program uses a port of this service. To see which program, run `ss -ltnp` on the "
        "node. Then stop and disable this program, for example `systemctl disable --now apache2`."
    ),
    "apt_locked": (
        "Another program holds the apt lock; usually the machine is installing updates. Wait "
        "until that program finishes; do not delete the lock. To see the program, run "
        "`pgrep -a 'apt|dpkg|unattended'` on the node."
    ),
    "other_run": (
        "Another run or preparation is using the node. Wait until it ends, then deploy again."
    ),
    "dpkg_interrupted": (
        "An installation was interrupted, perhaps by a power cut. Run `dpkg --configure -a` on the "
        "node."
    ),
    "no_name_resolution": (
        "The node could not resolve a host name. Run `getent hosts example.org` on the node. If "
        "the command prints nothing, fix the network or /etc/resolv.conf."
    ),
}

# Why a task failed, where the task itself says nothing that helps.
FAILURES: dict[str, Template] = {
    "playbook_failed": "Ansible could not run the playbook.",
    "checks_errored": "The checks could not run (pytest exited with code {code}).",
    "no_output": (
        "Connected, but the machine did not run the commands. It responded with: {message:or "
        "nothing}. Check that the account can run commands."
    ),
    "packages_unreadable": (
        "The list of installed packages could not be read. Check the output of `dpkg -l` on the "
        "node, then deploy again."
    ),
    "no_result": (
        "The step ended without a message. Check the output of `journalctl -k` on the node, then "
        "deploy again."
    ),
    "preparation_exited": (
        "The preparation process exited early (code {code}). Deploy again. If this happens again, "
        "report the problem with this log."
    ),
    "bug": "{error} (this is a bug in Chautari: please report it)",
    "step_failed": "{message}",
}

# What a node reports about its newest run, in `deploy status`.
STATUS: dict[str, Template] = {
    "unreachable": "not reachable: {message}",
    "run_active": "run {run} is running (started by {operator})",
    "never_deployed": "no deploy has run on this node yet",
    "run_interrupted": "run {run} was interrupted; deploy again",
    "run_failed": "run {run} ({when}) failed",
    "checks_failed": "run {run} ({when}) finished, but {failed} of its checks failed",
    "run_succeeded": "run {run} ({when}) succeeded",
    "release_outdated": _release_outdated_text,
    "releases_unknown": (
        "newer releases: unknown for {names} (could not read the release list from {servers})"
    ),
}

# What a person does next.
STEPS: dict[str, Template] = {
    "failed_task": "Fix the cause of the failure in task “{task}” (role {role}).",
    "failed_task_cause": "Task “{task}” failed in role {role}: {cause}",
    "unreachable": "Check that the machine is switched on and that SSH to {address} works.",
    "busy": "Wait for the other run to finish.",
    "detached": "The run continues on the node. To follow it, run: deploy region {region}",
    "failed_check": "Find out why the check “{check}” failed.",
    "run_again": "When this is done, run: {command}",
    "run_again_after_others": (
        "Fix the other problems that this report lists ({count}). Then run: {command}"
    ),
}

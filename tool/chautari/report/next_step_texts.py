"""Texts that end in what a person does next: causes of failures, results of runs, and steps.

`messages` renders them, as all texts of codes.
"""

from __future__ import annotations

from chautari.report.message_templates import Data, Template


def _release_outdated_text(data: Data) -> str:
    """Return what is newer than a release: in its own series, and altogether."""
    same, newest = data["newest_of_series"], data["newest"]
    newer = [f"{same} is the newest of its series"] if same != data["version"] else []
    if newest != same:
        newer.append(f"{newest} is the newest release")
    nodes = ", ".join(data["nodes"])
    return f"newer releases: {data['name']} {data['version']} on {nodes}: {'; '.join(newer)}"


# The known causes of failures, with what to do.
CAUSES: dict[str, Template] = {
    "disk_full": "The disk is full. Run `df -h; df -i` on the node to see which one, then free "
    "some space.",
    "out_of_memory": (
        "The node ran out of memory. Run `free -m` on the node, then stop other programs or add "
        "memory."
    ),
    "apt_locked": (
        "Another program holds apt's lock, usually the machine's own updates. Wait until it "
        "finishes (`pgrep -a 'apt|dpkg|unattended'` on the node shows it); do not delete the lock."
    ),
    "other_run": "Another run or preparation uses the node. Wait until it ends, then deploy again.",
    "dpkg_interrupted": (
        "An installation was interrupted, perhaps by a power cut. Run `dpkg --configure -a` on the "
        "node."
    ),
    "no_name_resolution": (
        "The node could not resolve a name. Run `getent hosts example.org` there. If it prints "
        "nothing, fix the network or /etc/resolv.conf."
    ),
}

# What a node reports about its newest run, in `deploy status`.
STATUS: dict[str, Template] = {
    "unreachable": "not reachable: {message}",
    "run_active": "run {run} of {operator} is running",
    "never_deployed": "no deploy has run here yet",
    "run_interrupted": "run {run} was interrupted; deploy again",
    "run_failed": "run {run} of {when} failed",
    "checks_failed": "run {run} of {when} finished, but {failed} of its checks failed",
    "run_succeeded": "run {run} of {when} succeeded",
    "release_outdated": _release_outdated_text,
    "releases_unknown": "newer releases: not known for {names} (no list from {servers})",
}

# What a person does next.
STEPS: dict[str, Template] = {
    "failed_task": "Fix the cause of the failure in task “{task}” (role {role}).",
    "failed_task_cause": "Task “{task}” failed in role {role}: {cause}",
    "unreachable": "Check that the machine is switched on and that SSH to {address} works.",
    "busy": "Wait for the other run to finish.",
    "detached": "The run continues on the node. To follow it, run: deploy region {region}",
    "failed_check": "Find out why “{check}” failed.",
    "run_again": "When this is done, run: {command}",
    "run_again_after_others": (
        "Fix the other problems that this report lists ({count}). Then run: {command}"
    ),
}

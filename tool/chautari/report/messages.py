"""The texts of reasons, notices and refusals: the only module that makes sentences from codes.

A text follows from a code and its data; no other code compares or stores it. `message_templates`
says what a template may contain.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from chautari.node import reason_texts
from chautari.report.existing_state_texts import EXISTING_STATE
from chautari.report.message_templates import Data, Template, fill_template
from chautari.report.next_step_texts import CAUSES, STATUS, STEPS

MAX_REASONS = 4  # of a role, in one notice


def _holder_text(data: Data, does: str = "is deploying") -> str:
    """Return who deploys to a node, since when, from where and with which run."""
    details = [
        _since_text(data.get("since")),
        f"from {data['origin']}" if data.get("origin") else "",
        f"run {data['run']}" if data.get("run") else "",
    ]
    shown = ", ".join(filter(None, details))
    who = data.get("operator") or "another operator"
    return f"{who} {does} to this node" + (f" ({shown})" if shown else "")


def _since_text(began: object) -> str:
    if isinstance(began, int | float) and 0 <= began < reason_texts.YEAR_10000:
        return time.strftime("since %H:%M", time.localtime(began))
    return ""


def _run_not_started_text(data: Data) -> str:
    return f"This run did not start: {_holder_text(data, 'was deploying')}."


def _show_other_run_hint(data: Data) -> str:
    other = f"To see the other run, use `--run {data['run']}`. " if data.get("run") else ""
    return f"{other}To run this one, deploy again."


def _dns_record_fix(data: Data) -> str:
    """Return which DNS record to create, or which one to delete."""
    name, kind = data["name"], data["kind"]
    record = f"{name} {kind} {data['right']}" if data["right"] else f"no {kind} record for {name}"
    own = "; or write the machine's own address6 in region.yml" if kind == "AAAA" else ""
    return f"Change this at your DNS provider, then deploy again: {record}{own}"


def _nested_reason_text(data: Data) -> str:
    return role_reason_text(data["code"], data["data"])


def _receipt_incomplete_text(data: Data) -> str:
    reason = _nested_reason_text(data["reason"])
    return f"{data['role']}: {reason}; the role runs again at the next deploy"


def _manual_change_kept_text(data: Data) -> str:
    change = _nested_reason_text(data["change"])
    return (
        f"{data['role']}: {change}\nThis was changed manually. The role "
        "does not manage it, so it will not be reported again. Restore it yourself if it is wrong."
    )


def _followup_role_text(data: Data) -> str:
    """Return that a role would run in a second pass, since the first changes what it uses."""
    why = "\n".join(_nested_reason_text(item) for item in data["reasons"][:MAX_REASONS])
    return f"{data['role']} would run afterwards, in a second pass: {why}"


def _make_cause_or_fix_template(fix: str) -> Callable[[Data], str]:
    """Return a template for the known cause of an error, else for `fix`."""

    def step_for(data: Data) -> str:
        known = str(data.get("cause", ""))
        return cause_text(known) if known else fill_template(fix, "", data)

    return step_for


# A node needs most of these texts as well, for its own list of manual changes.
REASONS: dict[str, Template] = {
    **reason_texts.TEMPLATES,
    "nothing_deployed": "Nothing has been deployed on this node yet.",
}

NOTICES: dict[str, Template] = {
    # A role's own debug task wrote this text; it is shown as it came.
    "role_message": "{text}",
    # A node's run
    "receipt_incomplete": _receipt_incomplete_text,
    "manual_change_kept": _manual_change_kept_text,
    "followup_role": _followup_role_text,
    "role_not_removable": (
        "{role} is no longer assigned to this node, but this version cannot remove it. Stop its "
        "services manually."
    ),
    "mitogen_fallback": (
        "Mitogen does not support this Ansible version; the run continued without it, more slowly."
    ),
    "apt_locked": (
        "Another program uses apt on the node ({holder}): the run waits for it, at most ten "
        "minutes."
    ),
    "dpkg_interrupted": (
        "An installation was interrupted ({packages}): a deploy completes it first. Its download "
        "is not included in the total."
    ),
    "dpkg_repaired": "An interrupted installation ({packages}) was completed.",
    "dpkg_not_repaired": (
        "An interrupted installation ({packages}) could not be completed: see the output of "
        "`dpkg --configure -a` and `apt-get -f install` on the node."
    ),
    "download_size_unknown": (
        "The size of {download} is unknown, so it is not included in the total."
    ),
    "package_size_unknown": (
        "The size of {packages} is unknown, since apt does not know them yet; they are not "
        "included in the total."
    ),
    "download_finished": (
        "This run downloaded {megabytes} MB. The next deploy uses what is on the node."
    ),
    "download_remaining": (
        "The next deploy itself downloads {downloads}, because it first adds their repository or "
        "their program."
    ),
    "download_partial": (
        "The next deploy may download more packages, because the dry run stopped early."
    ),
    "dry_run_incomplete": (
        "The dry run stopped early because a task needs the result of an earlier one. The listed "
        "roles will still run, and may download more than the total."
    ),
    "new_login_failed": (
        "A new login with the new settings of SSH failed, so the node restores the old ones: "
        "{error}"
    ),
    "newer_version": (
        "A newer version of Chautari started this run; some of its messages are not shown."
    ),
    "too_many_notices": "The node sent more than {limit} notices; the others are not shown.",
    # Preflight
    "small_machine": (
        "{memory_mb} MB of memory and {cores} cores are enough for small meetings; {service} "
        "recommends {advised_gb} GB and {advised_cores} cores for 200 people."
    ),
    # Prepare
    "environment_outdated": (
        "A deploy downloads the environment for Ansible again (about {megabytes} MB), because "
        "this version needs a different one. This is not included in the total."
    ),
    "adopted": (
        "The region adopts what was on this machine before: {paths}. Files and firewall tables "
        "were copied to {folder} first."
    ),
    "host_key_pinned": (
        "First contact: the host key {fingerprint} was pinned. Compare it with the one that the "
        "provider's console shows."
    ),
    "download_unknown": (
        "The download size is known once the node is prepared: deploy prepare {region} --node "
        "{node}. This downloads package lists, Python if it is missing, and about {megabytes} MB "
        "for Ansible."
    ),
    "languages_missing": (
        "{service} {version} has no complete translation into {missing}; there people read it in "
        "{default}, or in a language that they choose."
    ),
    # Hints of a sandbox
    "add_hosts": (
        "To open the services in a browser on this machine, run: printf '%s\\n' {lines} | sudo tee "
        "-a /etc/hosts"
    ),
    "trust_authority": "Import the sandbox's certificate authority into the browser: {file}",
}

# What happened, and what to do about it.
REFUSALS: dict[str, tuple[Template, Template]] = {
    "error": ("{message}", "{fix:or Fix this, then deploy again.}"),
    # Preflight
    "facts_missing": (
        "The machine did not report its {facts}.",
        "Log in and see what `cat /etc/os-release`, `uname -m` and `cat /proc/meminfo` print, then "
        "deploy again.",
    ),
    "os_differs": (
        "The node runs {found}, not {required}.",
        "Write os: {found} for this node.",
    ),
    "os_unsupported": (
        "The node runs {found}, not {required}.",
        "Reinstall it with {required}.",
    ),
    "arch_unsupported": (
        "The processor is {found:or unknown}; supported are: {supported}.",
        "Choose another machine.",
    ),
    "arch_differs": (
        "The processor is {found}, not {required}.",
        "Write arch: {found} for this node, or choose another machine.",
    ),
    "no_systemd": (
        "The node was started by {init:or an unknown program}, not systemd.",
        "Use a virtual or physical machine with a full Debian on it.",
    ),
    "no_root": (
        "The account cannot become root without a password.",
        "Log in as root (user: root), or give the account passwordless sudo.",
    ),
    "clock_ahead": (
        "The node's clock is {seconds} seconds ahead of this machine's.",
        "Set the clock (timedatectl set-ntp true, or date -s), then deploy again.",
    ),
    "clock_behind": (
        "The node's clock is {seconds} seconds behind this machine's.",
        "Set the clock (timedatectl set-ntp true, or date -s), then deploy again.",
    ),
    "space_low": (
        "{free_mb} MB are free on {paths}; {needed_mb} MB are needed.",
        "Free some space (apt-get clean, journalctl --vacuum-size=100M), or grow the disk.",
    ),
    "inodes_low": (
        "Too few inodes are free on {paths} for the services' many small files.",
        "Delete small files there, or create the file system again with more inodes.",
    ),
    "memory_low": (
        "The node has {found_mb} MB of memory; {needed_mb} MB are needed.",
        "Choose a bigger machine, or move the service to another node.",
    ),
    "port_in_use": (
        "Port {port} is already used by {program:or another program}.",
        "Stop and disable that program, or move the service to another node.",
    ),
    "service_memory_low": (
        "The node has {found_mb} MB of memory; {service} needs at least {needed_mb} MB, or the "
        "kernel stops it during a meeting.",
        "Choose a machine with {advised_gb} GB ({minimum_gb} GB for a trial).",
    ),
    "service_cores_low": (
        "The node has {found} processor cores; {service} needs at least {needed}, or sound breaks "
        "up when people share cameras.",
        "Choose a machine with {advised} dedicated cores ({minimum} for a trial).",
    ),
    "service_arch_unsupported": (
        "The processor is {found}; {service} is built only for {supported}.",
        "Choose a machine with one of these processors: {supported}.",
    ),
    "container_unsupported": (
        "The machine is a container ({container}), which does not give {service} the real-time "
        "scheduling that it needs.",
        "Choose a physical machine, or one with full virtualization (KVM).",
    ),
    "service_space_low": (
        "{free_mb} MB are free; {service} needs {needed_mb} MB for packages and slides.",
        "Grow the disk: 50 GB without recordings, 500 GB with them.",
    ),
    "address6_missing": (
        "address6 is {required}, but the machine has {found:or no public IPv6 address}: media over "
        "IPv6 would fail.",
        "Enable the address at the provider, or remove address6 and the AAAA record.",
    ),
    "record_missing": (
        "The {kind} record of {name} does not exist: media of meetings would not arrive.",
        "Create this record at your DNS provider, then deploy again: {name} {kind} {right}",
    ),
    "record_wrong": (
        "The {kind} record of {name} points to {found}, so media of meetings would not arrive.",
        _dns_record_fix,
    ),
    **EXISTING_STATE,
    "operator_kept_out": (
        "The SSH server of the machine keeps {account} out: it has {setting}.",
        "Change this in /etc/ssh/sshd_config, or in a file of /etc/ssh/sshd_config.d, so that "
        "{account} may log in with a key. Run `systemctl reload ssh` on the machine, then deploy "
        "again.",
    ),
    "not_adopted": (
        "The files to adopt could not be copied, so nothing was changed: {message}",
        "See what `df -h /var` shows on the node, then deploy again.",
    ),
    # Prepare
    "nothing_deployed": (
        "Nothing has been deployed on this node yet.",
        "Deploy the region first.",
    ),
    "host_key_changed": (
        "{address} shows a host key that is not the pinned one.",
        "If you reinstalled the machine, delete its lines from known_hosts next to region.yml. If "
        "not, do not deploy: someone may be intercepting the connection.",
    ),
    "host_key_not_pinned": (
        "No host key of {address} is pinned, so the node was not asked.",
        "Deploy to this node first: that shows its key and pins it. If it was deployed from "
        "another folder, copy that folder's known_hosts next to region.yml.",
    ),
    "host_key_unexpected": (
        "{address} shows the host key {found}, but region.yml names {expected}.",
        "Run on the provider's console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub. If it "
        "does not print {found}, someone may be intercepting the connection. If it does, correct "
        "host_key.",
    ),
    "key_rejected": (
        "{address} does not accept your SSH key.",
        "Add your public key to ~/.ssh/authorized_keys on the node, or choose the right "
        "key: --identity FILE. A key with a passphrase must be in your agent (ssh-add).",
    ),
    "other_login": (
        "The machine accepted the key, but answered: {said}",
        "Write `user: {user}` for this node in region.yml, then deploy again.",
    ),
    "no_ssh_answer": (
        "{address} does not answer on SSH ({message}).",
        "Check that the machine is switched on, and its address and SSH port in region.yml.",
    ),
    "sandbox_not_running": (
        "The container at {address} does not answer on SSH ({message}).",
        "Start the sandbox: deploy sandbox up {region}",
    ),
    "connection_lost_in_preflight": (
        "The connection was lost during the preflight; nothing was changed.",
        "When the connection is back, run the same command again.",
    ),
    "connection_lost_in_preparation": (
        "The connection was lost during {step:or the preparation}; the step may still be running "
        "on the node.",
        "When the connection is back, run the same command again; it continues from there.",
    ),
    # Deploy
    "canary_failed": (
        "The canary {canary} has a problem, so this node was not changed.",
        "Fix what is reported for the canary, then deploy again.",
    ),
    "node_locked": (
        lambda data: f"{_holder_text(data)}.",
        "Wait for that run to finish, or add `--wait`.",
    ),
    "run_not_started": (_run_not_started_text, _show_other_run_hint),
    "connection_lost": (
        "The connection was lost; the run continues on the node.",
        "When the connection is back, run the same command again; it follows the run.",
    ),
    "connection_lost_before_start": (
        "The connection was lost before the run reported its start.",
        "When the connection is back, run the same command again; it follows the run.",
    ),
    "command_not_accepted": (
        "The node did not accept the command ({message:or no answer}).",
        "Log in and check: ssh -p {port} {user}@{address}",
    ),
    # A node's run
    "unreadable_message": (
        "The node sent an unreadable message: {line}",
        "Read its run with `deploy attach`. If it happens again, report it with this line.",
    ),
    "too_much_output": (
        "The node sent too much data for one run, so the rest was not read.",
        "Check that the node is healthy and not compromised, then deploy again.",
    ),
    "no_run": ("There is no run on this node yet.", "Deploy the region first."),
    "unknown_run": (
        "There is no run {run} on this node; known runs: {known:or none}.",
        "Name a known run with `--run`, or omit `--run` for the newest.",
    ),
    "invalid_run": ("The id of the run is not valid.", "Deploy again."),
    "bundle_damaged": ("The bundle arrived damaged, so it was not unpacked.", "Deploy again."),
    "run_not_recorded": (
        "The run could not be written to the node's disk: {error}",
        _make_cause_or_fix_template("Deploy again."),
    ),
    "unit_not_started": (
        "systemd did not start the run: {error}",
        _make_cause_or_fix_template(
            "Look at `systemctl is-system-running` and `journalctl -n 50` on the node. Fix the "
            "cause or restart the machine, then deploy again."
        ),
    ),
    "run_disk_full": (
        "The run stopped without reporting a result: {folder} is full.",
        "Run `df -h {folder}; df -i {folder}` on the node, free space, then deploy again.",
    ),
    "run_lost": (
        "The run stopped without reporting a result: the node restarted, ran out of memory, or "
        "the run was killed.",
        "Deploy again; it continues where the run stopped. For the node's log, run "
        "`journalctl -u chautari-run-{run}` and `journalctl -k` on it.",
    ),
    "run_terminated": (
        "The run was stopped: the node was shut down, or an administrator stopped the run.",
        "Deploy again; it continues where the run stopped.",
    ),
    "run_crashed": (
        "The run crashed: {message}",
        _make_cause_or_fix_template(
            "Deploy again. If it happens again, report it with the output of "
            "`journalctl -u chautari-run-{run}` on the node."
        ),
    ),
}

# Why a task failed, where the task itself says nothing that helps.
FAILURES: dict[str, Template] = {
    "playbook_failed": "Ansible could not run the playbook.",
    "checks_errored": "The checks could not run (pytest exited with code {code}).",
    "no_output": (
        "Connected, but the machine ran no command; it answered: {message:or nothing}. Check that "
        "the account can run commands."
    ),
    "packages_unreadable": (
        "The list of installed packages could not be read. See what `dpkg -l` prints on the node, "
        "then deploy again."
    ),
    "no_result": (
        "The step ended without a message. See what `journalctl -k` shows on the node, then deploy "
        "again."
    ),
    "preparation_exited": (
        "The preparation process exited early (code {code}). Deploy again; if it happens again, "
        "report it with this log."
    ),
    "bug": "{error} (this is a bug in Chautari: please report it)",
    "step_failed": "{message}",
}

# What a node is doing outside its roles, by the event that says so.
PROGRESS: dict[str, Template] = {
    "pinned": "first contact: host key pinned",
    "preparing": "preparing: Python and the environment for Ansible",
    "prepared": "ready",
    "reconnecting": "connection lost; reconnecting",
    "joined": "a run exists; showing it from its beginning",
    "run_detached": "running in the background",
    "node_up_to_date": "up to date",
    "refused": "refused",
    "unreachable": "unreachable",
    "disconnected": "disconnected",
    "failed": "failed",
    "busy": lambda data: _holder_text(data) if data else "busy",
    "waiting": lambda data: (
        _holder_text(data) + (f", role {data['role']}" if data.get("role") else "") + "; waiting"
    ),
}


def role_reason_text(code: str, data: Data) -> str:
    """Return why a role runs, in one or several lines."""
    return fill_template(REASONS.get(code), code, data)


def notice_text(code: str, data: Data) -> str:
    """Return the sentence of a notice."""
    return fill_template(NOTICES.get(code), code, data)


def refusal_texts(code: str, data: Data) -> tuple[str, str]:
    """Return why a node was left as it is, and what to do about it."""
    happened, fix = REFUSALS.get(code, (None, ""))
    return fill_template(happened, code, data), fill_template(fix, code, data)


def failure_text(code: str, data: Data) -> str:
    """Return why a task failed."""
    return fill_template(FAILURES.get(code), code, data)


def activity_text(code: str, data: Data) -> str:
    """Return what a node is doing, in a few words."""
    return fill_template(PROGRESS.get(code), code, data)


def cause_text(code: str) -> str:
    """Return a known cause of failures with what to do, in one line."""
    return fill_template(CAUSES.get(code), code, {})


def next_step_text(code: str, data: Data) -> str:
    """Return what a person does next, in one line."""
    return fill_template(STEPS.get(code), code, data)


def status_text(code: str, data: Data) -> str:
    """Return a line of `deploy status`: the newest run of a node, or a newer release."""
    return fill_template(STATUS.get(code), code, data)

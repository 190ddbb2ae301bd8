"""The texts of reasons, notices and refusals: the only module that makes sentences from codes.

A text follows from a code and its data; no other code compares or stores it. `message_templates`
says what a template may contain.
"""

from __future__ import annotations

from collections.abc import Callable

from chautari.language import N_, _
from chautari.node import reason_texts
from chautari.report import federation_texts, preflight_step_texts
from chautari.report.dns_texts import DNS_RECORDS
from chautari.report.existing_state_texts import EXISTING_STATE
from chautari.report.holder_text import holder_text
from chautari.report.login_texts import LOGIN_NOTICES, LOGIN_REFUSALS
from chautari.report.message_templates import Data, Template, fill_template
from chautari.report.next_step_texts import CAUSES, FAILURES, STATUS, STEPS
from chautari.report.role_messages import translate_role_message

MAX_REASONS = 4  # of a role, in one notice


def _run_not_started_text(data: Data) -> str:
    return _(
        "This run did not start: {holder}.",
        holder=holder_text(data, _("was deploying to this node")),
    )


def _other_run_hint(data: Data) -> str:
    other = (
        _("To see the other run, use `deploy attach` with `--run {run}`. ", run=data["run"])
        if data.get("run")
        else ""
    )
    return _("{other}To start this run, deploy again.", other=other)


def _nested_reason_text(data: Data) -> str:
    return role_reason_text(data["code"], data["data"])


def _receipt_incomplete_text(data: Data) -> str:
    reason = _nested_reason_text(data["reason"])
    return _(
        "{role}: {reason}; the next deploy runs this role again", role=data["role"], reason=reason
    )


def _manual_change_kept_text(data: Data) -> str:
    change = _nested_reason_text(data["change"])
    return _(
        "{role}: {change}\n"
        "This was changed manually. The role does not manage it, so this change will not "
        "be reported again. If the change is wrong, undo it yourself.",
        role=data["role"],
        change=change,
    )


def _followup_role_text(data: Data) -> str:
    """Return that a role would run in a second pass, since the first changes what it uses."""
    why = "\n".join(_nested_reason_text(item) for item in data["reasons"][:MAX_REASONS])
    return _("{role} would run afterwards, in a second pass: {why}", role=data["role"], why=why)


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
    **LOGIN_NOTICES,
    # A role's own debug task wrote this text.
    "role_message": lambda data: translate_role_message(data["text"]),
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
        "Another program is using apt on the node ({holder}). The run waits for that program for "
        "up to ten minutes."
    ),
    "dpkg_interrupted": (
        "An installation was interrupted ({packages}). The next deploy completes this "
        "installation first. The total does not include what this installation downloads."
    ),
    "dpkg_repaired": "An interrupted installation ({packages}) was completed.",
    "dpkg_not_repaired": (
        "An interrupted installation ({packages}) could not be completed. To see why, run "
        "`dpkg --configure -a` and `apt-get -f install` on the node."
    ),
    "download_size_unknown": (
        "The size of {download} is unknown, so it is not included in the total."
    ),
    "package_size_unknown": (
        "The node's package lists do not contain these packages yet: {packages}. Their size is "
        "unknown, so it is not included in the total."
    ),
    "download_finished": (
        "This run downloaded {megabytes} MB. The next deploy uses the downloads on the node."
    ),
    "download_remaining": (
        "These downloads are only possible during the next deploy: {downloads}. The deploy must "
        "first add their package source, or install the program that downloads them."
    ),
    "download_partial": (
        "The next deploy might download more packages, because the dry run stopped early."
    ),
    "packages_not_listed": (
        "The node's list contains {number} packages with an unexpected name or version. They are "
        "not in the bill of materials."
    ),
    "dry_run_incomplete": (
        "The dry run stopped early because a task needs the result of an earlier task. A deploy "
        "still runs the listed roles, and they might download more than the total shows."
    ),
    "newer_version": (
        "A newer version of Chautari started this run. Your version cannot show some of the "
        "messages from this run."
    ),
    "too_many_notices": "The node sent more than {limit} notices; the others are not shown.",
    # Preflight
    "small_machine": (
        "The node has {memory_mb} MB of memory and {cores} cores. This is enough for small "
        "meetings. For 200 people, {service} recommends {advised_gb} GB and {advised_cores} cores."
    ),
    # Prepare
    "environment_outdated": (
        "The next deploy downloads the Ansible environment again (about {megabytes} MB), because "
        "this version of Chautari needs a different one. The total does not include this download."
    ),
    "adopted": (
        "These items were already on the node, and `adopt` in region.yml covers them: {paths}. "
        "Before the deploy, files and firewall tables were copied to {folder}."
    ),
    "host_key_pinned": (
        "First contact: the host key {fingerprint} was pinned. Compare it with the host key that "
        "the provider's console shows."
    ),
    "download_unknown": (
        "The download size is unknown until the node is prepared. To prepare it, run: deploy "
        "prepare {region} --node {node}\nThis command downloads package lists, Python if it is "
        "missing, and about {megabytes} MB for Ansible."
    ),
    "languages_missing": (
        "{service} {version} has no complete translation for these languages: {missing}. People "
        "see {service} in {default} instead, or in a language that they choose."
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
    **LOGIN_REFUSALS,
    "error": ("{message}", "{fix:or Fix this problem, then deploy again.}"),
    # Preflight
    "facts_missing": (
        "The machine did not report these values: {facts}.",
        "Log in and check the output of `cat /etc/os-release`, `uname -m` and `cat /proc/meminfo`. "
        "Then deploy again.",
    ),
    "os_differs": (
        "The node runs {found}, not {required}.",
        "Write `os: {found}` for this node in region.yml.",
    ),
    "os_unsupported": (
        "The node runs {found}, not {required}.",
        "Reinstall the node with {required}.",
    ),
    "arch_unsupported": (
        "The processor type is {found:or unknown}. Chautari supports: {supported}.",
        "Choose another machine.",
    ),
    "arch_differs": (
        "The processor type is {found}, not {required}.",
        "Write `arch: {found}` for this node in region.yml, or choose another machine.",
    ),
    "no_systemd": (
        "The init system of the node is {init:or an unknown program}, not systemd.",
        "Use a virtual or physical machine with a full Debian installation.",
    ),
    "no_root": (
        "The account cannot become root without a password.",
        preflight_step_texts.root_step,
    ),
    "clock_ahead": (
        "The node's clock is {seconds} seconds ahead of the clock of your machine.",
        preflight_step_texts.clock_step,
    ),
    "clock_behind": (
        "The node's clock is {seconds} seconds behind the clock of your machine.",
        preflight_step_texts.clock_step,
    ),
    "space_low": (
        "{free_mb} MB are free on {paths}; {needed_mb} MB are needed.",
        preflight_step_texts.space_step,
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
        preflight_step_texts.port_step,
    ),
    "service_memory_low": (
        "The node has {found_mb} MB of memory; {service} needs at least {needed_mb} MB. With less "
        "memory, the kernel stops {service} during a meeting.",
        "Choose a machine with {advised_gb} GB of memory ({minimum_gb} GB for a trial).",
    ),
    "service_cores_low": (
        "The node has {found} processor cores; {service} needs at least {needed}. With fewer "
        "cores, the sound breaks up when people share their cameras.",
        "Choose a machine with {advised} dedicated cores ({minimum} for a trial).",
    ),
    "service_arch_unsupported": (
        "The processor type is {found}, but {service} is only available for {supported}.",
        "Choose a machine with one of these processor types: {supported}.",
    ),
    "container_unsupported": (
        "The machine is a container ({container}). {service} needs real-time scheduling, which "
        "this container does not provide.",
        "Choose a physical machine, or one with full virtualization (KVM).",
    ),
    "service_space_low": (
        "The disk has {free_mb} MB free; {service} needs {needed_mb} MB for packages and slides.",
        "Enlarge the disk to 50 GB, or to 500 GB if you record meetings.",
    ),
    "address6_missing": (
        "address6 in region.yml is {required}, but the machine has {found:or no public IPv6 "
        "address}. Audio and video over IPv6 would fail.",
        "Enable this address at the provider. Or remove address6 from region.yml, and delete the "
        "AAAA record at the DNS provider.",
    ),
    **DNS_RECORDS,
    **EXISTING_STATE,
    "operator_kept_out": (
        "The machine's SSH server does not let {account} log in, because of this setting: "
        "{setting}.",
        "Change this setting in /etc/ssh/sshd_config, or in a file in /etc/ssh/sshd_config.d, so "
        "that {account} can log in with a key. Run `systemctl reload ssh` on the machine, then "
        "deploy again.",
    ),
    "not_adopted": (
        "The files to adopt could not be copied, so nothing was changed: {message}",
        "Check the output of `df -h /var` on the node, then deploy again.",
    ),
    # Prepare
    "nothing_deployed": (
        "Nothing has been deployed on this node yet.",
        "Deploy the region first.",
    ),
    "host_key_changed": (
        "{address} shows a host key that differs from the pinned one.",
        "If you did not reinstall the machine, do not deploy: someone may be intercepting the "
        "connection. If you reinstalled it, delete its old key: {command}",
    ),
    "host_key_not_pinned": (
        "No host key is pinned for {address}, so Chautari did not log in to the node.",
        "Deploy to this node first: the deploy shows the host key and pins it. If you have already "
        "deployed to the node from another folder, copy the file known_hosts from that folder to "
        "the folder of region.yml.",
    ),
    "host_key_unexpected": (
        "{address} shows the host key {found}, but region.yml specifies {expected}.",
        "Run `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` in the provider's console. If the "
        "command does not print {found}, someone may be intercepting the connection. If it does, "
        "correct host_key in region.yml.",
    ),
    "no_ssh_answer": (
        "{address} does not respond over SSH ({message}).",
        "Check in the provider's console that the machine is switched on, and compare its address "
        "with `address` of {node} in region.yml. To see whether it responds, run: ping -c 3 "
        "{address}",
    ),
    "ssh_port_closed": (
        "{address} does not respond over SSH ({message}).",
        "The machine is on, but no SSH server uses port {port}. To see its port, run this command "
        "in the provider's console: sshd -T | grep '^port'. Write this port as `port` of {node} in "
        "region.yml.",
    ),
    "sandbox_not_running": (
        "The container at {address} does not respond over SSH ({message}).",
        "Start the sandbox: deploy sandbox up {region}",
    ),
    "connection_lost_in_preflight": (
        "The connection was lost during the inspection of the node; nothing was changed.",
        "When the connection is back, run the same command again.",
    ),
    "connection_lost_in_preparation": (
        "The connection was lost during the preparation (step {step:or unknown}). This step may "
        "still be running on the node.",
        "When the connection is back, run the same command again. It continues where the "
        "preparation stopped.",
    ),
    # Deploy
    "canary_failed": (
        "The canary {canary} has a problem, so this node was not changed.",
        "Fix the problem that is reported for the canary, then deploy again.",
    ),
    "node_locked": (
        lambda data: f"{holder_text(data)}.",
        "Wait for that run to finish, or add `--wait`.",
    ),
    "run_not_started": (_run_not_started_text, _other_run_hint),
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
        "Log in and check the machine: ssh -p {port} {user}@{address}",
    ),
    # A node's run
    "unreadable_message": (
        "The node sent an unreadable message: {line}",
        "Run `deploy attach` to see the rest of the run. If this happens again, report the "
        "problem with this line.",
    ),
    "too_much_output": (
        "The node sent too much data for one run, so the rest was not read.",
        "Check that the node is healthy and not compromised, then deploy again.",
    ),
    "no_run": ("There is no run on this node yet.", "Deploy the region first."),
    "unknown_run": (
        "There is no run {run} on this node; known runs: {known:or none}.",
        "Choose a known run with `--run`, or omit `--run` to see the newest run.",
    ),
    "invalid_run": ("The run ID is not valid.", "Deploy again."),
    "bundle_damaged": (
        "The files for the run arrived damaged on the node, so they were not unpacked.",
        "Deploy again.",
    ),
    "run_not_recorded": (
        "The node could not save the run on its disk: {error}",
        _make_cause_or_fix_template("Deploy again."),
    ),
    "unit_not_started": (
        "systemd did not start the run: {error}",
        _make_cause_or_fix_template(
            "Check the output of `systemctl is-system-running` and `journalctl -n 50` on the node. "
            "Fix the cause or restart the machine, then deploy again."
        ),
    ),
    "run_disk_full": (
        "The run stopped without reporting a result: {folder} is full.",
        "Run `df -h {folder}; df -i {folder}` on the node. Free some space, then deploy again.",
    ),
    "run_lost": (
        "The run stopped without reporting a result: the node restarted or ran out of memory, or "
        "the run was killed.",
        "Deploy again; the new run continues where this run stopped. To see the logs, run "
        "`journalctl -u chautari-run-{run}` and `journalctl -k` on the node.",
    ),
    "run_terminated": (
        "The run was stopped: the node was shut down, or an administrator stopped the run.",
        "Deploy again; the new run continues where this run stopped.",
    ),
    "run_crashed": (
        "The run crashed: {message}",
        _make_cause_or_fix_template(
            "Deploy again. If this happens again, report the problem with the output of "
            "`journalctl -u chautari-run-{run}` on the node."
        ),
    ),
}

# What a node is doing outside its roles, by the event that says so.
PROGRESS: dict[str, Template] = {
    "pinned": "first contact: host key pinned",
    "preparing": "preparing: Python and the Ansible environment",
    "prepared": "ready",
    "reconnecting": "connection lost; reconnecting",
    "joined": "showing an existing run from its beginning",
    "run_detached": "running in the background",
    "node_up_to_date": "up to date",
    "refused": "refused",
    "unreachable": "unreachable",
    "disconnected": "disconnected",
    "failed": "failed",
    "busy": lambda data: holder_text(data) if data else "busy",
    "waiting": lambda data: (
        holder_text(data)
        + (_(", role {role}", role=data["role"]) if data.get("role") else "")
        + _("; waiting")
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


def peer_refusal_texts(code: str, data: Data) -> tuple[str, str]:
    """Return why a peer's descriptor was refused, and what to do."""
    reason, fix = federation_texts.PEER_REFUSALS.get(code, (None, _("update this toolkit")))
    return fill_template(reason, code, data), fill_template(fix, code, data)


def peer_state_and_next_step_texts(code: str, data: Data) -> tuple[str, str]:
    """Return how the descriptor of a peer is, and what to do."""
    return _fill_template_pair(federation_texts.PEER_STATES.get(code), code, data)


def peer_service_texts(code: str, data: Data) -> tuple[str, str]:
    """Return what a service reports of a peer, and what to do."""
    return _fill_template_pair(federation_texts.PEER_SERVICES.get(code), code, data)


def peer_capacity_texts(code: str, data: Data) -> tuple[str, str]:
    """Return how two regions share nodes or space, and what to do."""
    return _fill_template_pair(federation_texts.PEER_CAPACITY.get(code), code, data)


def _fill_template_pair(
    templates: tuple[Template, Template] | None, code: str, data: Data
) -> tuple[str, str]:
    first, second = templates or (None, "")
    return fill_template(first, code, data), fill_template(second, code, data)


def peer_problem_since_text(seconds: int) -> str:
    """Return since when something is so."""
    return fill_template(N_("since {since:time}"), "since", {"since": seconds})

"""The double of bbb-conf: upstream's options, texts and effects on files."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from . import facts, findings, part_servers, recordings, settings

TARGET = "bigbluebutton.target"
APPLY = settings.ETC / "bbb-conf/apply-config.sh"
APPS = settings.ETC / "bbb-apps-akka.conf"
FSESL = settings.ETC / "bbb-fsesl-akka.conf"
LOGS = (
    "/var/log/bigbluebutton/*.log",
    "/var/log/bigbluebutton/presentation/*",
    "/var/log/bbb-apps-akka/*",
    "/var/log/bbb-fsesl-akka/*",
    "/opt/freeswitch/var/log/freeswitch/*.log*",
)
USAGE = """BigBlueButton Configuration Utility - Version {} (double)

   bbb-conf [options]

Configuration:
   --version                        Display BigBlueButton version (packages)
   --setip <IP/hostname>            Set IP/hostname for BigBlueButton
   --setsecret <secret>             Change the shared secret in bbb-web.properties

Monitoring:
   --check                          Check configuration files and processes for problems
   --secret                         View the URL and shared secret for the server

Administration:
   --restart                        Restart BigBlueButton
   --stop                           Stop BigBlueButton
   --start                          Start BigBlueButton
   --clean                          Restart and clean all log files
   --status                         Display running status of components
"""


def main(words: Sequence[str]) -> int:
    """Run one option; as upstream's, the exit code says little."""
    if os.geteuid() == 0:
        # Upstream does this at every call, whatever is asked.
        settings.SFU_OVER.parent.mkdir(parents=True, exist_ok=True)
        settings.SFU_OVER.touch()
    option = without_dashes(words[0]) if words else ""
    argument = words[1] if len(words) > 1 else ""
    if option in ("secret", "setsecret", "salt", "setsalt"):
        return set_secret(argument) if argument else show_secret()
    if option == "setip":
        return set_host_and_restart(argument.partition(":")[0]) if argument else print_usage()
    plain: dict[str, Callable[[], int]] = {
        "version": show_version,
        "v": show_version,
        "status": show_status,
        "check": print_check,
        "c": print_check,
        "stop": stop_units,
        "start": start_units,
        "restart": restart_units,
        "clean": restart_with_empty_logs,
    }
    return plain.get(option, print_usage)()


def without_dashes(word: str) -> str:
    """Return the name in one of upstream's forms, -name, --name and -n; else return nothing."""
    found = re.fullmatch(r"--?([a-z-]{2,})|-([a-z])", word)
    return "".join(filter(None, found.groups())) if found else ""


def print_usage() -> int:
    """Say what may be asked."""
    print(USAGE.format(settings.installed_release()))
    return 1


def require_root() -> None:
    """End when this is not root."""
    if os.geteuid():
        sys.exit("Need to be root to run this option")


def print_lines(lines: findings.Lines) -> None:
    """Print lines at once."""
    for line in lines:
        print(line, flush=True)


def show_version() -> int:
    """Say which packages are installed."""
    print(f"{findings.version_line(settings.installed_release())}\n")
    lines = facts.command_output("dpkg", "-l").splitlines()
    print("\n".join(line for line in lines if "bbb" in line))
    return 0


def show_status() -> int:
    """Say what runs."""
    print("\n".join(facts.unit_status_lines(facts.unit_states())))
    return 0


def show_secret() -> int:
    """Say where the API is and with which secret."""
    web = settings.bbb_web_settings()
    url, secret = web["bigbluebutton.web.serverURL"], web["securitySalt"]
    print(f"\n    URL: {url}/bigbluebutton/\n    Secret: {secret}\n")
    print("    Link to the API-Mate:")
    print(
        f"    https://mconf.github.io/api-mate/#server={url}/bigbluebutton/&sharedSecret={secret}\n"
    )
    return 0


def print_check() -> int:
    """Say what may be wrong."""
    require_root()
    found = facts.gather_facts()
    print_lines(findings.settings_overview(found))
    print_lines(findings.all_problems(found))
    print()
    return 0


def set_secret(secret: str) -> int:
    """Write a new secret where upstream does."""
    require_root()
    print(f"Assigning secret in {settings.WEB_OVER}")
    set_property(settings.WEB_OVER, "securitySalt", secret)
    replace_in_file(settings.HOOKS, r"^(\s*sharedSecret): .*", rf"\1: {secret}")
    replace_in_file(APPS, r'sharedSecret *= *"[^"]*"', f'sharedSecret="{secret}"')
    print(f"\nBigBlueButton's shared secret is now {secret}\n")
    print("You must restart BigBlueButton for the changes to take effect\n\n  bbb-conf --restart\n")
    return 0


def set_host_and_restart(host: str) -> int:
    """Write this server's name where upstream does, and restart.

    The password of FreeSWITCH's event socket is written too: an upgrade of its package brings
    the default back, and this option, run after it, what stands in /etc.
    """
    require_root()
    web = settings.bbb_web_settings()
    protocol = web["bigbluebutton.web.serverURL"].partition("://")[0]
    print(f"Assigning {host} for web application URL in {settings.WEB_OVER}")
    set_property(settings.WEB_OVER, "bigbluebutton.web.serverURL", f"{protocol}://{host}")
    set_property(settings.WEB_OVER, "securitySalt", web["securitySalt"])
    print(f"Assigning {host} for web application URL in {APPS}")
    api = f"{protocol}://{host}/bigbluebutton/api"
    replace_in_file(APPS, r'bbbWebAPI *= *"[^"]*"', f'bbbWebAPI="{api}"')
    replace_in_file(APPS, r'sharedSecret *= *"[^"]*"', f'sharedSecret="{web["securitySalt"]}"')
    print(f"Assigning {host} for record and playback in {settings.RECORD}")
    replace_in_file(settings.RECORD, r"^playback_host: .*", f"playback_host: {host}")
    if settings.HOOKS.exists():
        print(f"Assigning {host} for webhooks in {settings.HOOKS}")
        replace_in_file(settings.HOOKS, r"^(\s*serverDomain): .*", rf"\1: {host}")
    print(f"Assigning {host} for playback of recordings: ", end="")
    for item in recordings.stored_formats_of_recordings():
        replace_in_file(item.folder / "metadata.xml", r"(https?)://[^/<]+/", rf"\1://{host}/")
        print(".", end="")
    print()
    replace_in_file(settings.CLIENT, r"^(    wsUrl): .*", rf"\1: wss://{host}/bbb-webrtc-sfu")
    replace_in_file(settings.CLIENT, r"^(  pads:\n    url): .*", rf"\1: {protocol}://{host}/pad")
    set_event_password()
    print(f"Restarting BigBlueButton {settings.installed_release()} ...")
    stop_units()
    return start_units()


def set_event_password() -> None:
    """Bring the password of FreeSWITCH's event socket to the three files that need it."""
    lines = [line for line in FSESL.read_text().splitlines() if "password" in line]
    password = re.sub(r'.*="', "", lines[0]).replace('"', "") if lines else ""
    if password == "ClueCon":
        password = secrets.token_hex(8)
        replace_in_file(FSESL, "ClueCon", password)
    over = settings.SFU_OVER
    content = yaml.safe_load(over.read_text()) if over.exists() else None
    merged = settings.merge_trees(content or {}, {"freeswitch": {"esl_password": password}})
    if merged != content:
        over.parent.mkdir(parents=True, exist_ok=True)
        over.write_text(yaml.safe_dump(merged, sort_keys=False))
    socket = part_servers.FREESWITCH / "autoload_configs/event_socket.conf.xml"
    replace_in_file(socket, r'(name="password" value=)"[^"]*"', rf'\1"{password}"')


def stop_units() -> int:
    """Stop everything."""
    require_root()
    print("Stopping BigBlueButton", flush=True)
    return subprocess.run(["systemctl", "stop", TARGET], check=False).returncode


def start_units() -> int:
    """Apply an operator's script, then start everything."""
    require_root()
    if os.access(APPLY, os.X_OK):
        print(f"\nApplying updates in {APPLY}: ", flush=True)
        subprocess.run([str(APPLY)], check=False)
        print()
    print("Reloading NginX configuration", flush=True)
    subprocess.run(["systemctl", "reload", "nginx"], check=False)
    print("Starting BigBlueButton", flush=True)
    return subprocess.run(["systemctl", "restart", TARGET], check=False).returncode


def restart_units() -> int:
    """Stop, start and look."""
    require_root()
    print_lines(findings.configuration_problems(facts.gather_facts()))
    print(f"Restarting BigBlueButton {settings.installed_release()} ...")
    stop_units()
    start_units()
    print_lines(findings.all_problems(facts.gather_facts()))
    return 0


def restart_with_empty_logs() -> int:
    """Restart without the old logs."""
    require_root()
    release = settings.installed_release()
    print(f"Restarting BigBlueButton {release} (and cleaning out all log files) ...")
    stop_units()
    print(" ... cleaning log files")
    for pattern in LOGS:
        folder, _, name = pattern.rpartition("/")
        for file in Path(folder).glob(name):
            file.unlink()
    start_units()
    print_lines(findings.all_problems(facts.gather_facts()))
    return 0


def set_property(file: Path, key: str, text: str) -> None:
    """Set one entry of a properties file."""
    lines = file.read_text().splitlines() if file.exists() else []
    entry = f"{key}={text}"
    places = [
        number for number, line in enumerate(lines) if re.match(rf"{re.escape(key)}\s*=", line)
    ]
    for number in places:
        lines[number] = entry
    if not places:
        lines.append(entry)
    file.write_text("\n".join(lines) + "\n")


def replace_in_file(file: Path, pattern: str, text: str) -> None:
    """Replace text in a file that is there."""
    if file.exists():
        old = file.read_text()
        new = re.sub(pattern, text, old, flags=re.MULTILINE)
        if new != old:
            file.write_text(new)

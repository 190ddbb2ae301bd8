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

from . import facts, findings, recordings, services, settings

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
    option = option_name(words[0]) if words else ""
    argument = words[1] if len(words) > 1 else ""
    if option in ("secret", "setsecret", "salt", "setsalt"):
        return set_secret(argument) if argument else show_secret()
    if option == "setip":
        return set_host(argument.partition(":")[0]) if argument else usage()
    plain: dict[str, Callable[[], int]] = {
        "version": show_version,
        "v": show_version,
        "status": show_status,
        "check": check,
        "c": check,
        "stop": stop,
        "start": start,
        "restart": restart,
        "clean": clean,
    }
    return plain.get(option, usage)()


def option_name(word: str) -> str:
    """Return the name in one of upstream's forms, -name, --name and -n; else return nothing."""
    found = re.fullmatch(r"--?([a-z-]{2,})|-([a-z])", word)
    return "".join(filter(None, found.groups())) if found else ""


def usage() -> int:
    """Say what may be asked."""
    print(USAGE.format(settings.release()))
    return 1


def root() -> None:
    """End when this is not root."""
    if os.geteuid():
        sys.exit("Need to be root to run this option")


def say(lines: findings.Lines) -> None:
    """Print lines at once."""
    for line in lines:
        print(line, flush=True)


def show_version() -> int:
    """Say which packages are installed."""
    print(f"{findings.version(settings.release())}\n")
    lines = facts.run("dpkg", "-l").splitlines()
    print("\n".join(line for line in lines if "bbb" in line))
    return 0


def show_status() -> int:
    """Say what runs."""
    print("\n".join(facts.status_lines(facts.states())))
    return 0


def show_secret() -> int:
    """Say where the API is and with which secret."""
    web = settings.web()
    url, secret = web["bigbluebutton.web.serverURL"], web["securitySalt"]
    print(f"\n    URL: {url}/bigbluebutton/\n    Secret: {secret}\n")
    print("    Link to the API-Mate:")
    print(
        f"    https://mconf.github.io/api-mate/#server={url}/bigbluebutton/&sharedSecret={secret}\n"
    )
    return 0


def check() -> int:
    """Say what may be wrong."""
    root()
    found = facts.gather()
    say(findings.overview(found))
    say(findings.state(found))
    print()
    return 0


def set_secret(secret: str) -> int:
    """Write a new secret where upstream does."""
    root()
    print(f"Assigning secret in {settings.WEB_OVER}")
    put(settings.WEB_OVER, "securitySalt", secret)
    replace(settings.HOOKS, r"^(\s*sharedSecret): .*", rf"\1: {secret}")
    replace(APPS, r'sharedSecret *= *"[^"]*"', f'sharedSecret="{secret}"')
    print(f"\nBigBlueButton's shared secret is now {secret}\n")
    print("You must restart BigBlueButton for the changes to take effect\n\n  bbb-conf --restart\n")
    return 0


def set_host(host: str) -> int:
    """Write this server's name where upstream does, and restart.

    The password of FreeSWITCH's event socket is written too: an upgrade of its package brings
    the default back, and this option, run after it, what stands in /etc.
    """
    root()
    web = settings.web()
    protocol = web["bigbluebutton.web.serverURL"].partition("://")[0]
    print(f"Assigning {host} for web application URL in {settings.WEB_OVER}")
    put(settings.WEB_OVER, "bigbluebutton.web.serverURL", f"{protocol}://{host}")
    put(settings.WEB_OVER, "securitySalt", web["securitySalt"])
    print(f"Assigning {host} for web application URL in {APPS}")
    api = f"{protocol}://{host}/bigbluebutton/api"
    replace(APPS, r'bbbWebAPI *= *"[^"]*"', f'bbbWebAPI="{api}"')
    replace(APPS, r'sharedSecret *= *"[^"]*"', f'sharedSecret="{web["securitySalt"]}"')
    print(f"Assigning {host} for record and playback in {settings.RECORD}")
    replace(settings.RECORD, r"^playback_host: .*", f"playback_host: {host}")
    if settings.HOOKS.exists():
        print(f"Assigning {host} for webhooks in {settings.HOOKS}")
        replace(settings.HOOKS, r"^(\s*serverDomain): .*", rf"\1: {host}")
    print(f"Assigning {host} for playback of recordings: ", end="")
    for item in recordings.stored():
        replace(item.folder / "metadata.xml", r"(https?)://[^/<]+/", rf"\1://{host}/")
        print(".", end="")
    print()
    replace(settings.CLIENT, r"^(    wsUrl): .*", rf"\1: wss://{host}/bbb-webrtc-sfu")
    replace(settings.CLIENT, r"^(  pads:\n    url): .*", rf"\1: {protocol}://{host}/pad")
    set_event_password()
    print(f"Restarting BigBlueButton {settings.release()} ...")
    stop()
    return start()


def set_event_password() -> None:
    """Bring the password of FreeSWITCH's event socket to the three files that need it."""
    lines = [line for line in FSESL.read_text().splitlines() if "password" in line]
    password = re.sub(r'.*="', "", lines[0]).replace('"', "") if lines else ""
    if password == "ClueCon":
        password = secrets.token_hex(8)
        replace(FSESL, "ClueCon", password)
    over = settings.SFU_OVER
    content = yaml.safe_load(over.read_text()) if over.exists() else None
    merged = settings.overlay(content or {}, {"freeswitch": {"esl_password": password}})
    if merged != content:
        over.parent.mkdir(parents=True, exist_ok=True)
        over.write_text(yaml.safe_dump(merged, sort_keys=False))
    socket = services.FREESWITCH / "autoload_configs/event_socket.conf.xml"
    replace(socket, r'(name="password" value=)"[^"]*"', rf'\1"{password}"')


def stop() -> int:
    """Stop everything."""
    root()
    print("Stopping BigBlueButton", flush=True)
    return subprocess.run(["systemctl", "stop", TARGET], check=False).returncode


def start() -> int:
    """Apply an operator's script, then start everything."""
    root()
    if os.access(APPLY, os.X_OK):
        print(f"\nApplying updates in {APPLY}: ", flush=True)
        subprocess.run([str(APPLY)], check=False)
        print()
    print("Reloading NginX configuration", flush=True)
    subprocess.run(["systemctl", "reload", "nginx"], check=False)
    print("Starting BigBlueButton", flush=True)
    return subprocess.run(["systemctl", "restart", TARGET], check=False).returncode


def restart() -> int:
    """Stop, start and look."""
    root()
    say(findings.configuration(facts.gather()))
    print(f"Restarting BigBlueButton {settings.release()} ...")
    stop()
    start()
    say(findings.state(facts.gather()))
    return 0


def clean() -> int:
    """Restart without the old logs."""
    root()
    print(f"Restarting BigBlueButton {settings.release()} (and cleaning out all log files) ...")
    stop()
    print(" ... cleaning log files")
    for pattern in LOGS:
        folder, _, name = pattern.rpartition("/")
        for file in Path(folder).glob(name):
            file.unlink()
    start()
    say(findings.state(facts.gather()))
    return 0


def put(file: Path, key: str, text: str) -> None:
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


def replace(file: Path, pattern: str, text: str) -> None:
    """Replace text in a file that is there."""
    if file.exists():
        old = file.read_text()
        new = re.sub(pattern, text, old, flags=re.MULTILINE)
        if new != old:
            file.write_text(new)

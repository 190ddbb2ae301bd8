"""The text of `bbb-conf --check`: upstream's lines, and below its header what may be wrong."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

from . import facts, settings
from .facts import ServerFacts
from .settings import value_at_path

HEADER = "# Potential problems described below"
TRIES = 20
Lines = Iterator[str]


def version_line(release: str) -> str:
    """Return upstream's first line; the number in brackets says that this is a double."""
    return f"\nBigBlueButton Server {release} (double)"


def settings_overview(found: ServerFacts) -> Lines:
    """Return what upstream prints before the problems."""
    web, sfu, client = found.web, found.sfu, found.client
    yield version_line(found.release)
    yield f"                    Kernel version: {platform.release()}"
    yield f"                      Distribution: {distribution_name()} (64-bit)"
    yield f"                            Memory: {found.memory} MB"
    yield f"                         CPU cores: {found.cores}"
    yield f"\n{settings.WEB_OVER} (override for bbb-web)\n{settings.WEB} (bbb-web)"
    for name in ("bigbluebutton.web.serverURL", "defaultGuestPolicy", "defaultMeetingLayout"):
        yield f"{name:>34}: {web[name]}"
    yield f"\n{facts.SITE} (nginx)"
    yield f"{'server_name':>34}: {first_word(found.names)}"
    yield f"{'port':>34}: {', '.join(found.ports)}"
    yield "\n/opt/freeswitch/etc/freeswitch/vars.xml (FreeSWITCH)"
    for name in ("local_ip_v4", "external_rtp_ip", "external_sip_ip"):
        yield f"{name:>34}: {found.variables.get(name, '')}"
    yield "\n/opt/freeswitch/etc/freeswitch/sip_profiles/external.xml (FreeSWITCH)"
    for name, text in found.external.items():
        yield f"{name:>34}: {text}"
    ends = [value_at_path(sfu, f"mediasoup.worker.rtc{end}Port") for end in ("Min", "Max")]
    others = [value_at_path(found.recorder, f"webrtc.rtc{end}Port") for end in ("Min", "Max")]
    yield "\nUDP port ranges\n"
    yield f"{'FreeSWITCH':>34}: {found.rtp}"
    yield f"{'bbb-webrtc-sfu':>34}: {ends[0]}-{ends[1]}"
    yield f"{'bbb-webrtc-recorder':>39}: {others[0]}-{others[1]}"
    yield f"\n{settings.RECORD} (record and playback)"
    for name in ("playback_host", "playback_protocol"):
        yield f"{name:>34}: {found.record[name]}"
    yield f"\n{facts.SIP} (sip.nginx)"
    protocol, _, rest = first_word(found.sip).partition("://")
    yield f"{'proxy_pass':>34}: {rest.partition(':')[0]}"
    yield f"{'protocol':>34}: {protocol}"
    yield f"\n{settings.SFU} (bbb-webrtc-sfu)\n{settings.SFU_OVER} (bbb-webrtc-sfu - override)"
    addresses = [
        str(item.get("announcedIp")) for item in value_at_path(sfu, "mediasoup.webrtc.listenIps")
    ]
    plain = value_at_path(sfu, "mediasoup.plainRtp.listenIp.announcedIp")
    yield f"{'mediasoup.webrtc.*.announcedIp':>34}: {', '.join(addresses)}"
    yield f"{'mediasoup.plainRtp.*.announcedIp':>34}: {plain}"
    names = ("recordingAdapter", "recordScreenSharing", "recordWebcams")
    for name in ("freeswitch.sip_ip", *names):
        yield f"{name:>34}: {as_yaml_scalar(value_at_path(sfu, name))}"
    yield f"\n{settings.CLIENT} (HTML5 client)"
    yield f"{settings.CLIENT_OVER} (HTML5 client config override)"
    keys = {
        "build": "app.html5ClientBuild",
        "kurentoUrl": "kurento.wsUrl",
        "defaultFullAudioBridge": "media.audio.defaultFullAudioBridge",
        "defaultListenOnlyBridge": "media.audio.defaultListenOnlyBridge",
        "sipjsHackViaWs": "media.sipjsHackViaWs",
    }
    for name, path in keys.items():
        yield f"{name:>34}: {as_yaml_scalar(value_at_path(client, f'public.{path}'))}"
    for server in found.stun:
        turn = settings.TURN_OVER if settings.TURN_OVER.exists() else settings.TURN
        yield f"\n{turn} (STUN Server)\n{'stun':>34}: {server.removeprefix('stun:')}"


def configuration_problems(server: ServerFacts) -> Lines:
    """Return what is wrong with files; `bbb-conf --restart` says this first."""
    if not facts.ENABLED.is_symlink():
        yield "# Nginx: BigBlueButton appears to be disabled"
        yield f"         - no symbolic link in {facts.ENABLED} to {facts.SITE} "
    if not server.names:
        yield f"# Tried to check server_name in\n#    {facts.SITE}\n# but value is empty."
    if (facts.UNITS / "bbb-webhooks.service").exists():
        # As upstream, an operator's file is not looked at, and both secrets are printed.
        hooks = settings.read_with_overrides(settings.HOOKS, settings.HOOKS)
        secrets = server.web["securitySalt"], str(value_at_path(hooks, "bbb.sharedSecret"))
        if secrets[0] != secrets[1]:
            yield "# Warning: Webhooks API Shared Secret mismatch: "
            yield f"#  {settings.WEB} = {secrets[0]}"
            yield f"#  {settings.HOOKS}                       = {secrets[1]}\n"
    for folder, user in {
        "/var/freeswitch/meetings": "freeswitch",
        "/var/bigbluebutton": "bigbluebutton",
    }.items():
        if facts.owner_and_group(Path(folder)).partition(":")[0] != user:
            yield f"# Warning: Detected the directory\n#    {folder}\n# is not owned by {user}"
    if server.variables.get("external_rtp_ip") == "stun:stun.freeswitch.org":
        yield "\n# Warning: Detected FreeSWITCH is using default stun.freeswitch.org server.  See"
        yield "#"
        yield "#     https://docs.bigbluebutton.org/support/troubleshooting#freeswitch-using-default-stun-server\n#\n"
    if not facts.is_command_installed("ufw"):
        yield (
            "\n# Warning: No firewall detected."
            "  Recommend using setting up a firewall for your server\n#"
        )
        yield "#     https://docs.bigbluebutton.org/administration/firewall-configuration\n#\n"


def all_problems(server: ServerFacts) -> Lines:
    """Return upstream's header and everything that may be wrong."""
    yield f"\n\n{HEADER}"
    yield from configuration_problems(server)
    yield from process_problems(server)
    yield from network_problems(server)
    yield from machine_problems(server)
    yield from sip_problems(server)
    yield from default_secret_problems(server)


def process_problems(server: ServerFacts) -> Lines:
    """Return what does not run."""
    names = {"nginx": "Nginx", "redis-server": "redis-server", "freeswitch": "freeswitch"}
    down = [text for unit, text in names.items() if server.states.get(unit) != "active"]
    if down:
        yield f"# Not running:  {' '.join(down)}"
    if not facts.command_succeeds("/usr/local/bin/fs_clibbb", "-x", "/quit"):
        yield "\n#\n# Error: Unable to connect to the FreeSWITCH Event Socket Layer on port 8021\n#"
    inactive = [line for line in facts.unit_status_lines(server.states) if "inactive" in line]
    if inactive:
        yield "\n".join(inactive)
        yield "# Error: Detected some processes have not started correctly\n#"
        yield "#   " + "\n".join(inactive) + "\n#"


def network_problems(server: ServerFacts) -> Lines:
    """Return what cannot be had over the network under this server's own name."""
    for _ in range(TRIES):
        if "SUCCESS" in facts.command_output(
            "curl", "-sS", "-m", "5", f"{server.server_url}/bigbluebutton/api"
        ):
            break
        time.sleep(1)
    else:
        yield "# Error: Could not connect to the configured hostname/IP address\n#"
        yield f"#    {server.server_url}/\n#"
        yield "# If your BigBlueButton server is behind a firewall, see FAQ.\n"
    slides = server.web["beans.presentationService.defaultUploadedPresentation"]
    if slides not in ("", "null") and not facts.command_succeeds(
        "curl", "-sS", "-m", "5", "-o", os.devnull, slides
    ):
        yield f"# Error: Unable to reach default URL for presentation:\n#\n#    {slides}\n#"
        yield "# Check value for beans.presentationService.defaultUploadedPresentation in"
        yield f"#   {settings.WEB} and {settings.WEB_OVER}"


def machine_problems(server: ServerFacts) -> Lines:
    """Return what this machine lacks."""
    local = server.variables.get("local_ip_v4")
    if local not in ("127.0.0.1", "auto", server.address):
        yield f"# Warning: The setting of {local} for local_ip_v4 in\n#"
        yield "#    /opt/freeswitch/etc/freeswitch/vars.xml\n#"
        yield f"# does not match the local IP address ({server.address})."
        yield "# (This is OK if you've manually changed the values)\n"
    if server.memory < 3940:
        yield (
            "# Warning: You are running BigBlueButton on a server with less than 4G of memory."
            "  Your"
        )
        yield "# performance may suffer.\n"
    if server.cores < 4:
        yield (
            f"# Warning: found only {server.cores} cores, whereas this server should have"
            " (at least) 4 CPU cores"
        )
        yield "# to run BigBlueButton in production.\n#"
        yield "#   https://docs.bigbluebutton.org/administration/install#minimum-server-requirements\n#"
    language = [
        line
        for line in facts.command_output("systemctl", "show-environment").splitlines()
        if "LANG=" in line
    ]
    if not any("UTF-8" in line for line in language):
        yield "\n#\n# Warning: Detected that systemctl does not define a UTF-8 language.\n#"
        yield "# To temporarily correct, run the command \n#"
        yield "#   sudo systemctl set-environment LANG=en_US.UTF-8\n#"


def sip_problems(server: ServerFacts) -> Lines:
    """Return what does not fit between nginx, FreeSWITCH and the media server."""
    passed = first_word(server.sip)
    if value_at_path(
        server.client, "public.media.sipjsHackViaWs"
    ) is not True and server.server_url.startswith("https"):
        host = passed.partition("://")[2].partition(":")[0]
        for wanted, words in {"https": "the use of https", "7443": "the use of port 7443"}.items():
            if wanted not in passed:
                yield "# Warning: You have this server defined for https, but in\n#"
                yield f"#   {facts.SIP}"
                yield "#"
                yield f"#  did not find {words} in definition for proxy_pass\n#"
                yield f"#    proxy_pass {passed};\n#"
        if host not in (server.address, "$freeswitch_addr"):
            yield f"# Warning: The setting of {host} for proxy_pass in\n#\n#    {facts.SIP}\n#"
            yield f"# does not match the local IP address ({server.address})."
            yield "# (This is OK if you've manually changed the values)\n"
    listening = [
        line.split()[3].rpartition(":")[0]
        for line in facts.command_output("ss", "-anlt4").splitlines()
        if ":5066 " in line
    ]
    wanted = str(value_at_path(server.sfu, "freeswitch.sip_ip"))
    if listening and listening[0] != wanted:
        yield "\n#"
        yield f"# bbb-webrtc-sfu will try to connect to {wanted} but FreeSWITCH is listening on"
        yield f"# {listening[0]} for port 5066\n#"


def default_secret_problems(server: ServerFacts) -> Lines:
    """Return whether a secret is still the one everybody knows."""
    apps = settings.ETC / "bbb-apps-akka.conf"
    if apps.exists() and '"changeme"' in apps.read_text():
        host = server.server_url.partition("://")[2]
        yield f"# Error: Detected that {apps} has the default"
        yield "# configuration values.  To update, run\n#"
        yield f"#   bbb-conf --setip {host}\n#"
    if server.web["securitySalt"] == "330a8b08c3b4c61533e1d0c5ce1ac88f":
        yield "\n#"
        yield "# Warning: Detected you have the default shared secret.  You MUST change your shared"
        yield "# secret NOW for BigBlueButton to finish starting up.\n#"
        yield "#   sudo bbb-conf --setsecret <secret>\n#"


def first_word(values: list[str]) -> str:
    """Return the first word of the first value."""
    return values[0].split()[0] if values else ""


def as_yaml_scalar(content: object) -> str:
    """Return a value as yq prints it."""
    if content is None:
        return "null"
    return str(content).lower() if isinstance(content, bool) else str(content)


def distribution_name() -> str:
    """Return this system's name."""
    return platform.freedesktop_os_release().get("PRETTY_NAME", "")

"""Templates of Jitsi: the markers that upstream's packages read, access, privacy, bandwidth."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from templates import RELEASES, render, variables

DOMAIN = "meet.andes.example.org"
UPSTREAM = re.compile(r"jitsi\.net|jit\.si|8x8|google|gravatar\.com|amplitude")


def prosody(folder: Path, **changed: object) -> str:
    return render("jitsi", "prosody.cfg.lua.j2", variables(folder, "jitsi", "13", **changed))


def config(folder: Path, **changed: object) -> dict[str, Any]:
    text = render("jitsi", "config.js.j2", variables(folder, "jitsi", "13", **changed))
    found = re.search(r"var config = (\{.*\});", text, re.S)
    assert found, text
    return dict(json.loads(found[1]))


def test_prosody_settings_keep_the_markers_of_upstream_script(tmp_path: Path) -> None:
    text = prosody(tmp_path)
    for mark in (
        "unlimited_jids",
        "component_admins_as_room_owners = ",
        '\n--"polls";\n',
        'VirtualHost "jigasi.meet.jitsi"',
        f'Component "polls.{DOMAIN}"',
        f'Component "internal.auth.{DOMAIN}" "muc"',
        f'Component "focus.{DOMAIN}" "client_proxy"',
        f'Component "conference.{DOMAIN}" "muc"\n    restrict_room_creation = true',
    ):
        assert mark in text, mark


@pytest.mark.parametrize("access", ["members", "open"])
def test_prosody_settings_are_valid_lua(access: str, tmp_path: Path) -> None:
    (tmp_path / "x.lua").write_text(prosody(tmp_path, jitsi_access=access))
    subprocess.run(["luac5.4", "-p", tmp_path / "x.lua"], check=True)


def test_members_log_in_and_guests_have_their_own_domain(tmp_path: Path) -> None:
    text = prosody(tmp_path)
    assert f'VirtualHost "{DOMAIN}"\n    authentication = "internal_hashed"' in text
    assert f'VirtualHost "guest.{DOMAIN}"\n    authentication = "jitsi-anonymous"' in text
    assert config(tmp_path)["hosts"]["anonymousdomain"] == f"guest.{DOMAIN}"
    focus = render("jitsi", "jicofo.conf.j2", variables(tmp_path, "jitsi", "13"))
    assert f'type = XMPP\n    login-url = "{DOMAIN}"' in focus


def test_open_access_needs_no_login(tmp_path: Path) -> None:
    text = prosody(tmp_path, jitsi_access="open")
    assert f'VirtualHost "{DOMAIN}"\n    authentication = "jitsi-anonymous"' in text
    assert "guest." not in text
    assert "anonymousdomain" not in str(config(tmp_path, jitsi_access="open"))
    given = variables(tmp_path, "jitsi", "13", jitsi_access="open")
    assert "authentication" not in render("jitsi", "jicofo.conf.j2", given)


def test_xmpp_listens_outside_only_for_further_bridges(tmp_path: Path) -> None:
    assert 'c2s_interfaces = { "*", "::" }' in prosody(tmp_path)
    alone = prosody(tmp_path, jitsi_remote_bridges=[])
    assert 'c2s_interfaces = { "127.0.0.1", "::1" }' in alone
    assert '"s2s"' in alone


@pytest.mark.parametrize("release", RELEASES)
def test_settings_name_no_host_outside_the_region(release: str, tmp_path: Path) -> None:
    for role, name in (
        ("jitsi", "prosody.cfg.lua.j2"),
        ("jitsi", "config.js.j2"),
        ("jitsi", "jicofo.conf.j2"),
        ("jitsi", "site.conf.j2"),
        ("videobridge", "jvb.conf.j2"),
        ("turn", "turnserver.conf.j2"),
    ):
        assert not UPSTREAM.search(render(role, name, variables(tmp_path, role, release))), name


def test_low_bandwidth_keeps_video_small(tmp_path: Path) -> None:
    low = config(tmp_path, jitsi_low_bandwidth=True)
    assert (low["resolution"], low["channelLastN"], low["startAudioOnly"]) == (360, 4, True)
    assert low["desktopSharingFrameRate"] == {"min": 5, "max": 5}
    assert "resolution" not in config(tmp_path, jitsi_low_bandwidth=False)


def test_relays_are_enabled_in_focus_and_bridge_together(tmp_path: Path) -> None:
    for enabled in (True, False):
        given = variables(tmp_path, "jitsi", "13", jitsi_relays=enabled)
        focus = render("jitsi", "jicofo.conf.j2", given)
        assert (f"octo {{\n    enabled = {str(enabled).lower()}") in focus
        assert ("RegionBasedBridgeSelectionStrategy" in focus) is enabled
        given = variables(tmp_path, "videobridge", "13", videobridge_relays=enabled)
        bridge = render("videobridge", "jvb.conf.j2", given)
        assert f'relay {{\n    enabled = {str(enabled).lower()}\n    region = "andes"' in bridge


def test_private_interfaces_listen_on_loopback(tmp_path: Path) -> None:
    bridge = render("videobridge", "jvb.conf.j2", variables(tmp_path, "videobridge", "12"))
    assert "private {\n      host = 127.0.0.1" in bridge
    assert "public {\n      port = -1" in bridge
    focus = render("jitsi", "jicofo.conf.j2", variables(tmp_path, "jitsi", "12"))
    assert 'rest {\n    host = "127.0.0.1"' in focus


def render_with_addresses(folder: Path, role: str, template: str, own: list[str]) -> str:
    given = variables(folder, role, "13")
    given["ansible_facts"] |= {
        "all_ipv4_addresses": own, "default_ipv4": {"address": own[0]},
    }  # fmt: skip
    return render(role, template, given)


def test_router_address_is_announced_only_behind_a_router(tmp_path: Path) -> None:
    router, inner = "198.51.100.14", "192.168.1.5"
    bridge = render_with_addresses(tmp_path, "videobridge", "jvb.conf.j2", [inner])
    assert f'local-address = "{inner}"' in bridge and f'public-address = "{router}"' in bridge
    assert f"external-ip={router}/{inner}" in render_with_addresses(
        tmp_path, "turn", "turnserver.conf.j2", [inner]
    )
    assert "static-mappings" not in render_with_addresses(
        tmp_path, "videobridge", "jvb.conf.j2", [router]
    )
    assert "external-ip" not in render_with_addresses(
        tmp_path, "turn", "turnserver.conf.j2", [router]
    )


def test_turn_relays_to_private_networks_only_for_bridges(tmp_path: Path) -> None:
    text = render("turn", "turnserver.conf.j2", variables(tmp_path, "turn", "13"))
    for range_ in ("10.0.0.0-", "127.0.0.0-", "169.254.0.0-", "192.168.0.0-", "fc00::-", "::1"):
        assert f"denied-peer-ip={range_}" in text, range_
    assert re.findall(r"allowed-peer-ip=(.*)", text) == ["198.51.100.14", "198.51.100.13"]
    assert "no-tcp\n" in text and "no-cli" in text and "no-loopback-peers" not in text


def test_jicofo_starts_again_after_a_crash(tmp_path: Path) -> None:
    unit = render("jitsi", "jicofo-unit.conf.j2", variables(tmp_path, "jitsi", "13"))
    lines = unit.splitlines()
    assert "Restart=on-failure" in lines and "RemainAfterExit=no" in lines
    # An empty value takes the commands of the script in /etc/init.d away.
    assert lines.index("ExecStart=") < lines.index("ExecStop=")
    assert [line for line in lines if line.startswith("ExecStart=/")] == [
        'ExecStart=/bin/bash -c "exec /usr/share/jicofo/jicofo.sh < /dev/null'
        ' >> /var/log/jitsi/jicofo.log 2>&1"'
    ]

"""Secrets stay out of debconf, of files for package scripts, and of arguments."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from templates import render, variables, variables_of_role

SECRET = "Canary" * 8
# Answers the queries that the script makes of small files, like xmlstarlet; it changes nothing.
XML_READER = f"""#!{sys.executable}
import re, sys, xml.etree.ElementTree as ET
*_, query, file = sys.argv
name, attribute = re.fullmatch(r"//param\\[@name='(.*)'\\]/@(.*)", query).groups()
for item in ET.parse(file).iter("param"):
    if item.get("name") == name:
        print(item.get(attribute), end="")
"""


def value(name: str, found: dict[str, Any]) -> Any:
    return Templar(loader=DataLoader(), variables=found).template(found[name])


def test_packages_of_jitsi_get_no_secret(tmp_path: Path) -> None:
    found = variables(tmp_path, "jitsi", "13")
    secrets = [
        str(value(name, found))
        for name in ("jitsi_bridge_password", "jitsi_focus_password", "jitsi_turn_secret")
    ]
    answers = [item["value"] for item in value("__jitsi_secret_answers", found)]
    text = render("jitsi", "jicofo-environment.j2", found)
    assert all(len(answer) >= 16 for answer in answers), "an empty answer: the script makes one"
    assert len(set(answers)) == 3
    for secret in secrets:
        assert secret not in text
        assert not [answer for answer in answers if secret in answer]


def test_both_roles_answer_the_question_of_the_bridge_alike(tmp_path: Path) -> None:
    jitsi = variables(tmp_path, "jitsi", "13", jitsi_bridge_password=SECRET)
    bridge = variables(tmp_path, "videobridge", "13", videobridge_password=SECRET)
    answer = value("__videobridge_package_password", bridge)
    assert value("__jitsi_package_password", jitsi)["bridge"] == answer
    text = render("videobridge", "config.j2", bridge)
    assert f"\nJVB_SECRET={answer}\n" in text
    assert SECRET not in text
    assert SECRET in render("videobridge", "jvb.conf.j2", bridge)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Create the files that the script changes, and programs that record their arguments."""
    found = variables(tmp_path, "bigbluebutton", "12", memory_mb=16000)
    found |= variables_of_role("bigbluebutton", "defaults") | {"bigbluebutton_address": "192.0.2.1"}
    found["ansible_facts"] |= {"all_ipv4_addresses": [], "all_ipv6_addresses": []}
    script = render("bigbluebutton", "apply-config.sh.j2", found)
    script = re.sub(r"(?<![\w!])(/(etc|opt|usr/local|usr/share)/)", rf"{tmp_path}\1", script)
    (tmp_path / "apply-config.sh").write_text(script)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("grep", "sed", "xmlstarlet"):
        real = f"/usr/bin/{name}" if name != "xmlstarlet" else str(tmp_path / "xml_reader")
        record = f'printf "%s\\n" "{name} $*" >> {tmp_path}/arguments'
        (programs / name).write_text(f'#!/bin/sh\n{record}\nexec {real} "$@"\n')
    (tmp_path / "xml_reader").write_text(XML_READER)
    for file in (*programs.iterdir(), tmp_path / "xml_reader"):
        file.chmod(0o755)
    for path, text in {
        "etc/bigbluebutton/bbb-web.properties": f"securitySalt={SECRET}\n",
        "etc/bigbluebutton/bbb-fsesl-akka.conf": f'freeswitch.esl.password="{SECRET}"\n',
        "usr/local/bigbluebutton/bbb-webhooks/config/default.yml":
            "  sharedSecret: old\n  serverDomain: old\n",
        "opt/freeswitch/etc/freeswitch/autoload_configs/event_socket.conf.xml":
            '<settings>\n  <param name="listen-ip" value="127.0.0.1"/>\n'
            '  <param name="password" value="ClueCon"/>\n</settings>\n',
    }.items():  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def apply(machine: Path, *arguments: str) -> str:
    environment = os.environ | {"PATH": f"{machine}/programs:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", machine / "apply-config.sh", *arguments],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def test_script_for_bbb_conf_sets_secrets_without_arguments(machine: Path) -> None:
    apply(machine)
    hooks = machine / "usr/local/bigbluebutton/bbb-webhooks/config/default.yml"
    socket = machine / "opt/freeswitch/etc/freeswitch/autoload_configs/event_socket.conf.xml"
    assert hooks.read_text().splitlines()[0] == f"  sharedSecret: {SECRET}"
    assert f'<param name="password" value="{SECRET}"/>' in socket.read_text()
    assert [file.stat().st_mode & 0o007 for file in (hooks, socket)] == [0, 0]
    arguments = (machine / "arguments").read_text()
    assert "xmlstarlet sel" in arguments and "sed -i" in arguments and "grep -q" in arguments
    assert SECRET not in arguments


def test_script_for_bbb_conf_reports_no_difference_after_it_ran(machine: Path) -> None:
    assert "sharedSecret" in apply(machine, "compare")
    apply(machine)
    assert apply(machine, "compare") == ""

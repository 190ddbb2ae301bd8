"""Firewalls of others: found by their rules, and named with the program that loads them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from chautari.preflight import existing_state

# As nft prints them, each with the program; None where a table leaves our ports open.
FIREWALLS = {
    "inet firewalld": ("firewalld", """
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
		ct state { established, related } accept
		ct state invalid drop
		reject with icmpx admin-prohibited
	}"""),
    "ip filter": ("ufw", """
	chain ufw-before-input {
	}
	chain INPUT {
		type filter hook input priority filter; policy drop;
		counter packets 9 bytes 540 jump ufw-before-input
	}"""),
    "ip6 filter": ("iptables-persistent", """
	chain INPUT {
		type filter hook input priority filter; policy accept;
		tcp dport 22 counter packets 4 bytes 240 accept
		counter packets 2 bytes 120 drop
	}"""),
    "inet coop": ("", """
	chain input {
		type filter hook input priority filter; policy drop;
		tcp dport 22 accept
	}"""),
    "inet radio": ("/etc/nftables.d/radio.nft", """
	chain input {
		type filter hook input priority filter; policy accept;
		iifname "eth0" counter packets 2 bytes 120 drop comment "no one"
	}"""),
    "inet logging": ("another program", """
	chain input {
		type filter hook input priority filter; policy accept;
		log prefix "no: " level debug counter packets 2 bytes 120 drop
	}"""),
    "inet ports": ("another program", """
	chain input {
		type filter hook prerouting priority raw; policy accept;
		tcp dport != { 22, 80 } drop
	}"""),
    "inet f2b-table": (None, """
	chain f2b-chain {
		type filter hook input priority filter - 1; policy accept;
		tcp dport 22 ip saddr @addr-set-sshd reject with icmp port-unreachable
	}"""),
    "ip docker": (None, """
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		counter packets 0 bytes 0 jump DOCKER-USER
	}"""),
}  # fmt: skip
FILES = {
    "etc/nftables.conf": "flush ruleset\n#table inet logging {\ntable inet coop {\n}\n",
    "etc/nftables.d/radio.nft": "add table inet radio\n",
    "etc/iptables/rules.v6": "*filter\nCOMMIT\n",
}
# Answers as nft does, from files: `list tables`, `list table FAMILY NAME`.
NFT = """nft() {
  case $2 in tables) cat ROOT/tables ;; *) cat "ROOT/$3 $4" ;; esac
}
"""


def reported(root: Path) -> list[str]:
    """Return what the preflight reports on a machine with all of these tables."""
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "tables").write_text("".join(f"table {name}\n" for name in FIREWALLS))
    for name, (_, rules) in FIREWALLS.items():
        (root / name).write_text(f"table {name} {{{rules}\n}}\n")
    functions = re.sub(r"(?<=[ =\[])/(etc|var)/", rf"{root}/\1/", existing_state._FUNCTIONS)
    functions = functions.replace('"/etc/iptables', f'"{root}/etc/iptables')
    script = f"{functions}{NFT.replace('ROOT', str(root))}report_existing_tables firewall\n"
    done = subprocess.run(["sh"], input=script, text=True, capture_output=True, check=True)
    prefix = "existing=firewall "
    return [line.removeprefix(prefix) for line in done.stdout.replace(str(root), "").splitlines()]


def item(table: str, program: str) -> str:
    return f"firewall of {program}, nftables: {table}" if program else f"nftables: {table}"


def test_table_that_closes_ports_is_reported_with_its_program(tmp_path: Path) -> None:
    assert reported(tmp_path) == [
        item(table, program) for table, (program, _) in FIREWALLS.items() if program is not None
    ]


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("ufw", "`ufw disable`"),
        ("firewalld", "`systemctl disable --now firewalld`"),
        ("/etc/nftables.d/radio.nft", "`nft delete table inet radio`"),
    ],
)
def test_firewall_that_its_program_loads_again_cannot_be_adopted(
    program: str, command: str
) -> None:
    found = [("firewall", item("inet radio", program)), ("firewall", item("inet coop", ""))]
    [refusal] = existing_state.existing_state_refusals(found, ["firewall"])
    assert refusal.code == "existing_firewall"
    assert program in refusal.reason and "inet radio" in refusal.reason
    assert command in refusal.fix and "`adopt` has no effect" in refusal.fix
    script = existing_state.script_to_copy_adopted(found)
    assert script.rstrip().endswith("adopt_table inet coop")
    assert "inet radio" not in script


def test_name_of_a_table_is_quoted_in_the_command() -> None:
    found = [("firewall", item("inet x;reboot", "another program"))]
    [refusal] = existing_state.existing_state_refusals(found, [])
    assert "nft delete table inet 'x;reboot'" in refusal.fix


def test_databases_of_others_are_reported(tmp_path: Path) -> None:
    for name in ("mysql", "sys", "#innodb_temp", "library"):
        (tmp_path / "var/lib/mysql" / name).mkdir(parents=True)
    functions = re.sub(r"(?<=[ =])/(etc|var)/", rf"{tmp_path}/\1/", existing_state._FUNCTIONS)
    script = f"{functions}report_existing_databases mariadb\n"
    done = subprocess.run(["sh"], input=script, text=True, capture_output=True, check=True)
    assert done.stdout == "existing=mariadb database: library in MariaDB\n"


def test_name_of_a_file_cannot_forge_another_item() -> None:
    name = r"/etc/nginx/conf.d/x\nexisting=ssh /y" + "\nexisting=ssh /z"
    script = f'{existing_state._FUNCTIONS}report_item nginx "$1"\n'
    for shell in ("dash", "bash"):
        done = subprocess.run(
            [shell, "-c", script, "-", name], text=True, capture_output=True, check=True
        )
        assert done.stdout == f"existing=nginx {name.replace(chr(10), '?')}\n"

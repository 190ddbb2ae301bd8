"""The inventory and the bundle, read back with Ansible's own loader, templar and commands."""

import gzip
import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from node_samples import SECRETS, node
from region_samples import REGION, ROOT, SANDBOX, load_sample_region

from chautari.files import write_atomically
from chautari.render import bundle, role_inputs
from chautari.render import inventory as rendered
from chautari.render.inventory import SSHConnection, inventory_files, mark_texts_unsafe, to_yaml
from chautari.render.variables import NodeVariables
from chautari.services.registry import ROLES

PLAIN_TAGS = [f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "null")]
JINJA = "{{ lookup('pipe', 'touch /tmp/chautari-was-here') }}"
HOSTILE = {
    "text": JINJA,
    "list": [JINJA, {"deep": [JINJA]}],
    "statement": "{% for x in [1] %}x{% endfor %}",
    "comment": "{# gone #}",
    "tag": "!vault x",
    "quote": 'it\'s "quoted": # not a comment',
    "lines": "one\n  two\n",
    "word": "yes",
    "number": "022",
    "empty": "",
    "accent": "Bogotá ¡सबै!",
    "alias": "*x",
}
CONNECTIONS = {
    "bog1": SSHConnection("203.0.113.10", 2222, "debian", "/r/known hosts", "/keys/id"),
    "med1": SSHConnection("203.0.113.11", 22, "root", "/r/known hosts"),
}


def read(content: bytes, folder: Path) -> Any:
    file = folder / "read.yml"
    file.write_bytes(content)
    return DataLoader().load_from_file(str(file), trusted_as_template=True)


def templated(value: Any) -> Any:
    return Templar(loader=DataLoader(), variables={}).template(value)


def nodes(folder: Path) -> list[NodeVariables]:
    return [node(folder, name, SANDBOX) for name in ("bog1", "med1")]


@pytest.mark.parametrize("name", HOSTILE)
def test_value_survives_loader_and_templar(name: str, tmp_path: Path) -> None:
    data = read(to_yaml(mark_texts_unsafe({"value": HOSTILE[name]})), tmp_path)
    assert templated(data["value"]) == HOSTILE[name]


def test_unmarked_value_would_be_evaluated(tmp_path: Path) -> None:
    """The proof that the tests around this one would notice."""
    assert templated(read(b'value: "{{ 1 + 1 }}"\n', tmp_path)["value"]) == 2


@pytest.mark.parametrize(
    "text", ["NO", "no", "on", "022", "12:30:45", "1e3", "0x1f", "2026-01-01", "~", "=", "<<", ""]
)
def test_text_that_looks_like_another_type_stays_text(text: str, tmp_path: Path) -> None:
    data = read(to_yaml(mark_texts_unsafe({"value": text, "list": [text]})), tmp_path)
    assert templated(data) == {"value": text, "list": [text]}


def values_of(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """Yield the values of a document; the names of variables and of their parts are no values."""
    if isinstance(node, yaml.MappingNode):
        children = [value for _, value in node.value]
    else:
        children = node.value if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.ScalarNode):
        yield node
    for child in children:
        yield from values_of(child)


def test_every_text_in_every_file_is_marked_unsafe(tmp_path: Path) -> None:
    for name, content in inventory_files(nodes(tmp_path), CONNECTIONS).items():
        found = list(values_of(yaml.compose(content)))
        assert found, name
        for value in found:
            plain = value.tag in PLAIN_TAGS or value.value == "" or value.value.isdecimal()
            assert plain or value.tag == "!unsafe", (name, value.value)


def test_secrets_are_only_in_secrets_yml(tmp_path: Path) -> None:
    files = inventory_files(nodes(tmp_path), CONNECTIONS)
    holding = {name for name, content in files.items() if b"canary" in content}
    assert holding == {"host_vars/bog1/secrets.yml", "host_vars/med1/secrets.yml"}


def ansible_inventory(folder: Path) -> dict[str, Any]:
    argv = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(folder), "--list"]
    home = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=home)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout, object_hook=_plain)
    return found


def _plain(data: dict[str, Any]) -> Any:
    return data.get("__ansible_unsafe", data)


def test_ansible_reads_the_inventory_with_roles_as_groups(tmp_path: Path) -> None:
    folder = tmp_path / "rendered"
    for name, content in inventory_files(nodes(tmp_path), CONNECTIONS).items():
        write_atomically(folder / name, content)
    found = ansible_inventory(folder)
    groups = {name: part["hosts"] for name, part in found.items() if "hosts" in part}
    assert (
        groups["base"] == groups["ssh"] == groups["firewall"] == groups["mail"] == ["bog1", "med1"]
    )
    assert groups["nextcloud"] == groups["tls"] == ["med1"]
    hosts = found["_meta"]["hostvars"]
    assert hosts["bog1"]["ansible_host"] == "203.0.113.10"
    assert hosts["bog1"]["ansible_port"] == 2222
    assert hosts["bog1"]["ansible_ssh_private_key_file"] == "/keys/id"
    assert hosts["bog1"]["ansible_ssh_common_args"] == (
        "-o UserKnownHostsFile='/r/known hosts' -o StrictHostKeyChecking=yes"
    )
    assert "nextcloud_admin_password" not in hosts["bog1"]
    assert hosts["med1"]["postgresql_passwords"]["nextcloud"]


def test_groups_are_the_hosts_of_the_playbook_s_plays() -> None:
    plays = DataLoader().load_from_file(str(ROOT / "playbooks" / "region.yml"))
    assert tuple(play["hosts"] for play in plays if "roles" in play) == tuple(ROLES)


def pack_bundle(of: NodeVariables, key: str = "key") -> bytes:
    return bundle.pack_bundle(of, role_inputs.role_inputs_of_node(of, key, "digest"))


def unpack_bundle(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as archive:
        members = archive.getmembers()
        assert all(member.isreg() and member.mode == 0o600 for member in members)
        return {item.name: archive.extractfile(item).read() for item in members}


def test_bundle_is_reproducible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pack_bundle(nodes(tmp_path)[1])
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert pack_bundle(nodes(tmp_path)[1]) == first


def test_bundle_holds_no_other_node_s_values(tmp_path: Path) -> None:
    files = unpack_bundle(pack_bundle(nodes(tmp_path)[0]))
    assert [name for name in files if name.startswith("inventory/host_vars")] == [
        "inventory/host_vars/bog1/main.yml",
        "inventory/host_vars/bog1/secrets.yml",
    ]
    # fail2ban never blocks another node, so it needs the addresses, which are public.
    ignored = rb'fail2ban_ignored"?:( \[[^]]*\]|(\n- .*)+)'
    everything = re.sub(ignored, b"", b"\n".join(files.values()))
    for foreign in (b"canary-admin", b"canary-database", b"203.0.113.11", b"med1"):
        assert foreign not in everything


def test_bundle_holds_only_the_node_s_roles_and_plays(tmp_path: Path) -> None:
    ground = nodes(tmp_path)[0]
    files = unpack_bundle(pack_bundle(ground))
    roles = {name.split("/")[1] for name in files if name.startswith("roles/")}
    assert roles == {
        part for role in ground.roles for part in role_inputs.role_and_shared_roles(role)
    }
    plays = json.loads(files["plays.json"])
    named = [given["role"] for given in json.loads(files["roles.json"])]
    assert named == list(ground.roles)
    assert {name: play["hosts"] for name, play in plays.items()} == {name: name for name in named}
    assert plays[named[0]]["gather_facts"] is True


def test_bundle_has_obsolete_roles_without_their_checks(tmp_path: Path) -> None:
    of = node(tmp_path, "med1")
    files = unpack_bundle(
        bundle.pack_bundle(
            of, role_inputs.role_inputs_of_node(of, "key", "digest"), ["jitsi", "turn"]
        )
    )
    assert "roles/jitsi/tasks/remove.yml" in files
    assert [name for name in files if name.startswith(("roles/jitsi/ch", "roles/turn/ch"))] == []
    assert "roles/nextcloud/checks/test_inside.py" in files


def test_bundle_holds_nothing_of_the_key_of_receipts(tmp_path: Path) -> None:
    files = unpack_bundle(pack_bundle(nodes(tmp_path)[1], "canary-receipts"))
    assert b"canary-receipts" not in b"".join(files.values())


def test_bundle_leaves_out_editor_backups_and_caches(tmp_path: Path) -> None:
    names = unpack_bundle(pack_bundle(nodes(tmp_path)[1]))
    assert not [name for name in names if "__pycache__" in name or "/molecule/" in name]
    assert {"ansible.cfg", "plugins/chautari_events.py", "settings.json"} <= set(names)
    assert {"lib/chautari/checks/inside.py", "lib/chautari/checks/record.py"} <= set(names)


def test_bundle_holds_the_modules_that_checks_on_the_node_import(tmp_path: Path) -> None:
    files = unpack_bundle(pack_bundle(nodes(tmp_path)[1]))
    imported = {
        module
        for name, content in files.items()
        if re.fullmatch(r"roles/\w+/checks/test_inside[.]py", name)
        for module in re.findall(r"^from chautari[.]checks import (\w+)", content.decode(), re.M)
    }
    assert imported, "no check imports a module"
    assert {f"lib/chautari/checks/{module}.py" for module in imported} <= set(files)


def test_bundle_s_settings_hold_no_secret(tmp_path: Path) -> None:
    files = unpack_bundle(pack_bundle(nodes(tmp_path)[1]))
    settings = json.loads(files["settings.json"])
    assert settings["node"] == "med1"
    assert settings["settings"]["nextcloud_quota"] == "5 GB"
    holding = [name for name, content in files.items() if b"canary" in content]
    # The second one is what the journal is searched for.
    assert holding == ["inventory/host_vars/med1/secrets.yml", "secrets.json"]


def test_bundle_names_doubles_for_the_checks(tmp_path: Path) -> None:
    files = unpack_bundle(pack_bundle(node(tmp_path, "med1", SANDBOX)))
    assert json.loads(files["settings.json"])["doubles"] == ["nextcloud"]


def test_bundle_s_inventory_connects_locally(tmp_path: Path) -> None:
    hosts = read(unpack_bundle(pack_bundle(nodes(tmp_path)[0]))["inventory/hosts.yml"], tmp_path)
    assert hosts["all"]["hosts"] == {
        "bog1": {
            "ansible_connection": "local",
            "ansible_python_interpreter": "/usr/bin/python3",
        }
    }


def test_region_with_jinja_in_an_operator_s_comment_stays_text(tmp_path: Path) -> None:
    text = REGION.replace("{key} ana@laptop", "'{key} {{{{ 1 + 1 }}}}'")
    assert "{{ 1 + 1 }}" in load_sample_region(tmp_path, text).region.operators["ana"][0]
    files = inventory_files([node(tmp_path, "bog1", text=text)], {})
    data = read(files["host_vars/bog1/main.yml"], tmp_path)
    assert templated(data["base_operators"])[0]["keys"][0].endswith(" {{ 1 + 1 }}")


def test_header_names_the_file_to_change() -> None:
    assert to_yaml({}).decode().startswith(rendered.HEADER)
    assert SECRETS.names

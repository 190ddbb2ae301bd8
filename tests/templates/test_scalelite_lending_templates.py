"""Templates of the pool where peers lend servers."""

from pathlib import Path
from typing import Any

from templates import render, variables

LENT = [
    {
        "name": f"{peer}.{node}",
        "url": f"https://{node}.{peer}.example.org/bigbluebutton/api",
        "tag": f"peer-{peer}",
    }
    for peer, node in (("himalaya", "ktm2"), ("himalaya", "ktm3"), ("karakoram", "gil1"))
]
PEERS = {
    "scalelite_borrowed_servers": LENT,
    "scalelite_borrowed_secrets": {x["name"]: "s" for x in LENT},
}


def assignments(text: str) -> dict[str, str]:
    lines = (x for x in text.splitlines() if x and not x.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def pool(folder: Path, **changed: Any) -> dict[str, Any]:
    return variables(folder, "scalelite", "12", **changed)


def test_calls_without_a_tag_may_use_servers_of_peers(tmp_path: Path) -> None:
    found = assignments(render("scalelite", "scalelite.env.j2", pool(tmp_path, **PEERS)))
    assert found["DEFAULT_CREATE_PARAMS"] == "meta_server-tag=none;peer-himalaya;peer-karakoram"
    alone = assignments(render("scalelite", "scalelite.env.j2", pool(tmp_path)))
    assert "DEFAULT_CREATE_PARAMS" not in alone


def test_program_has_the_names_of_the_servers_and_only_the_secret_of_the_pool(
    tmp_path: Path,
) -> None:
    given = pool(tmp_path, **PEERS, scalelite_overflow_load=90)
    found = assignments(render("scalelite", "scalelite-overflow.conf.j2", given))
    assert found == {
        "SCALELITE_PORT": "3000",
        "SCALELITE_DOMAIN": given["scalelite_domain"],
        "SCALELITE_SECRET": given["scalelite_secret"],
        "SCALELITE_BORROWED_SERVERS": '"himalaya.ktm2 himalaya.ktm3 karakoram.gil1"',
        "SCALELITE_OVERFLOW_LOAD": "90",
    }


def test_program_reaches_only_its_own_node_as_an_account_without_rights(tmp_path: Path) -> None:
    name = "chautari-scalelite-overflow.service.j2"
    lines = render("scalelite", name, pool(tmp_path, **PEERS)).splitlines()
    assert {
        "DynamicUser=yes", "IPAddressAllow=localhost", "IPAddressDeny=any",
        "CapabilityBoundingSet=", "ProtectSystem=strict", "NoNewPrivileges=yes",
    } <= set(lines)  # fmt: skip

"""Where a descriptor may be fetched from: only from public addresses, over HTTPS."""

from __future__ import annotations

import pytest
from federation_samples import DOMAIN

from chautari.errors import BadInput
from chautari.federation import fetch, transfer
from chautari.federation.refusal import PeerRefused
from chautari.render.endpoints import PUBLIC_INTERNET


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    found = {
        ("A", DOMAIN): tuple(item for item in addresses if ":" not in item),
        ("AAAA", DOMAIN): tuple(item for item in addresses if ":" in item),
    }
    monkeypatch.setattr(fetch, "lookup_dns_records", lambda names, server: found)


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
def test_fetch_connects_to_no_address_when_one_is_not_public(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, "9.9.9.9", address)
    connected: list[object] = []
    monkeypatch.setattr(transfer.socket, "create_connection", lambda *how: connected.append(how))
    with pytest.raises(PeerRefused) as refused:
        fetch.fetch_unverified_descriptor(transfer.DescriptorAddress(DOMAIN, 443), PUBLIC_INTERNET)
    assert (refused.value.code, refused.value.data["address"]) == ("address_not_public", address)
    assert connected == []


def test_fetch_tries_a_few_addresses_only(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, *(f"9.9.9.{number}" for number in range(1, 200)))
    connected: list[object] = []

    def refuse(address: tuple[str, int], timeout: float) -> None:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(transfer.socket, "create_connection", refuse)
    with pytest.raises(PeerRefused) as refused:
        fetch.fetch_unverified_descriptor(transfer.DescriptorAddress(DOMAIN, 443), PUBLIC_INTERNET)
    assert refused.value.code == "no_answer"
    assert connected == [(f"9.9.9.{number}", 443) for number in range(1, 5)]


def test_fetch_reports_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch)
    with pytest.raises(PeerRefused) as refused:
        fetch.fetch_unverified_descriptor(transfer.DescriptorAddress(DOMAIN, 443), PUBLIC_INTERNET)
    assert refused.value.code == "name_unresolved"


@pytest.mark.parametrize(
    "url", [f"https://{DOMAIN}", f"https://{DOMAIN}/", f"https://{DOMAIN}{transfer.PATH}"]
)
def test_parse_address_accepts_a_site_and_its_descriptor(url: str) -> None:
    assert fetch.parse_descriptor_url(url).url == f"https://{DOMAIN}{transfer.PATH}"


@pytest.mark.parametrize(
    "url",
    [
        f"http://{DOMAIN}", f"ftp://{DOMAIN}", DOMAIN, "file:///etc/passwd", "https://", "https:///x",
        f"https://{DOMAIN}/other.json", f"https://{DOMAIN}?x=1", f"https://{DOMAIN}/#x",
        f"https://ana@{DOMAIN}", "https://127.0.0.1/", "https://[::1]/", "https://2130706433/",
        "https://localhost/", f"https://{DOMAIN}:99999/", f"https://{DOMAIN}:x/",
        "https://hіmalaya.example.org/", "https://xn--n1aaa.example.org/", "https://[::1/",
        f"https://{DOMAIN}\\@example.net/",
    ],
)  # fmt: skip
def test_parse_address_refuses_other_addresses(url: str) -> None:
    with pytest.raises(BadInput, match="is not the address of a descriptor"):
        fetch.parse_descriptor_url(url)

"""Two regions that share BigBlueButton servers: andes borrows the server that himalaya lends."""

from __future__ import annotations

from pathlib import Path

from lending_samples import Side, pinned_pair, take_letter

BORROWER = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
operators: {ana: KEY ana@laptop}
nodes:
  bog1: {address: 203.0.113.11, services: [scalelite, portal]}
  cal1: {address: 203.0.113.12, os: ubuntu-22.04, services: [bigbluebutton]}
services:
  bigbluebutton: {rooms: none}
mail: {relay: smtp.example.org, user: region, from: cloud@andes.example.org}
federation: {peers: [himalaya], borrow: {himalaya: [bigbluebutton]}}
"""
LENDER = """\
region: himalaya
domain: himalaya.example.org
contact: ops@himalaya.example.org
operators: {ana: KEY ana@laptop}
nodes:
  ktm1: {address: 203.0.113.40, services: [scalelite, portal]}
  ktm2: {address: 203.0.113.41, os: ubuntu-22.04, services: [bigbluebutton], lend_to: andes}
  ktm3: {address: 203.0.113.42, os: ubuntu-22.04, services: [bigbluebutton]}
services:
  bigbluebutton: {rooms: none}
mail: {relay: smtp.example.org, user: region, from: cloud@himalaya.example.org}
federation: {peers: [andes], lend: {andes: [bigbluebutton]}}
"""
PINS = f"""\
scalelite:
  1.8.5: {{image: docker.io/blindsidenetwks/scalelite, sha256: {"12" * 32}}}
"""


def pinned_pools(folder: Path) -> tuple[Side, Side]:
    """Return the borrower and the lender, which have pinned each other and nothing more."""
    borrower, lender = Side(folder / "a", BORROWER), Side(folder / "b", LENDER)
    for side in (borrower, lender):
        side.folder.mkdir(parents=True)
        (side.folder / "artifacts.lock").write_text(PINS)
    return pinned_pair(borrower, lender)


def shared_pools(folder: Path) -> tuple[Side, Side]:
    """Return the borrower and the lender after both have the other one's letter."""
    borrower, lender = pinned_pools(folder)
    take_letter(borrower, lender)
    take_letter(lender, borrower)
    return borrower, lender

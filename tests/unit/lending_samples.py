"""Two regions that share video bridges: andes borrows the bridge that himalaya lends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from federation_samples import DAY, NOW
from region_samples import KEY

from chautari.federation import peers, signing_key
from chautari.federation.descriptor import Descriptor, unsigned_descriptor
from chautari.federation.letter_exchange import load_and_update_letters, load_own_key_pair
from chautari.federation.peers import PinnedPeer
from chautari.federation.transfer import DescriptorAddress
from chautari.federation.validity import utc_text
from chautari.region.load import LoadedRegion, load_region
from chautari.render.endpoints import Endpoints
from chautari.render.variables import NodeContext, NodeVariables, variables_of_node
from chautari.secrets.required_secrets import required_secrets
from chautari.secrets.store import SecretStore
from chautari.services.secret_spec import SecretSpec

# The addresses of the examples are not public ones.
ENDPOINTS = Endpoints(peer_networks=("203.0.113.0/24", "2001:db8::/32"))
BORROWER = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
operators: {ana: KEY ana@laptop}
nodes:
  cal1: {address: 203.0.113.12, services: [jitsi, portal]}
services:
  jitsi: {members: [ana]}
mail: {relay: smtp.example.org, user: region, from: cloud@andes.example.org}
federation: {peers: [himalaya], borrow: {himalaya: [jitsi-bridge]}}
"""
LENDER = """\
region: himalaya
domain: himalaya.example.org
contact: ops@himalaya.example.org
operators: {ana: KEY ana@laptop}
nodes:
  ktm1: {address: 203.0.113.40, services: [jitsi, portal]}
  ktm2: {address: 203.0.113.41, address6: '2001:db8::41', services: [jitsi-bridge]}
services:
  jitsi: {access: open}
mail: {relay: smtp.example.org, user: region, from: cloud@himalaya.example.org}
federation: {peers: [andes], lend: {andes: [jitsi-bridge]}}
"""
_VALUES: dict[str, str] = {}


def generate(region: str, spec: SecretSpec) -> str:
    """Return the value of a secret; each region has its own, and an RSA key takes long."""
    name = spec.name if spec.name == "jitsi_key" else f"{region} {spec.name}"
    return _VALUES.setdefault(name, spec.make())


@dataclass
class Side:
    """A region with its files and secrets, as its operators have them."""

    root: Path
    text: str
    signing: str = field(default_factory=signing_key.generate_signing_key)
    issued: int = NOW - DAY

    @property
    def name(self) -> str:
        """Return the name of the region."""
        return self.text.split()[1]

    @property
    def folder(self) -> Path:
        """Return its folder."""
        return self.root / self.name

    def load(self) -> LoadedRegion:
        """Return the region as its files are now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "region.yml").write_text(self.text.replace("KEY", KEY))
        return load_region(self.folder / "region.yml")

    @property
    def secrets(self) -> SecretStore:
        """Return its secrets."""
        specs = required_secrets(self.load().region)
        values = {spec.name: generate(self.name, spec) for spec in specs}
        return SecretStore(values | {signing_key.NAME: self.signing}, ())

    def deploy(self, **how: Any) -> LoadedRegion:
        """Return what a deploy knows after it exchanged letters."""
        return load_and_update_letters(self.load(), self.secrets, ENDPOINTS, **how)

    def descriptor(self, known: LoadedRegion | None = None) -> Descriptor:
        """Return what the region publishes after a deploy."""
        self.issued += 60
        context = NodeContext(known or self.deploy(), ENDPOINTS, "")
        times = {"issued": utc_text(self.issued), "expires": utc_text(self.issued + 30 * DAY)}
        key = signing_key.public_key_of(self.signing)
        body = unsigned_descriptor(context) | times | {"key": key, "serial": self.issued}
        return Descriptor.model_validate(body)

    def pin(self, descriptor: Descriptor, url: str = "") -> None:
        """Pin what another region publishes."""
        address = DescriptorAddress(descriptor.domain, 443)
        pinned = PinnedPeer(
            domain=descriptor.domain,
            url=url or address.url,
            key=descriptor.key,
            pinned=utc_text(NOW - DAY),
            descriptor=descriptor,
        )
        peers.write_pin_file(self.folder, descriptor.region, pinned)

    def node(self, name: str) -> NodeVariables:
        """Return the variables of a node, as a deploy renders them."""
        return variables_of_node(NodeContext(self.deploy(), ENDPOINTS, name), self.secrets)

    def files(self) -> Mapping[str, bytes]:
        """Return the letters in git."""
        found = (self.folder / "peers").glob("*.age")
        return {file.name: file.read_bytes() for file in found}


def take_letter(of: Side, to: Side) -> None:
    """Do what `deploy federation status` does: pin the newest descriptor, and store the letter."""
    known = of.deploy()
    to.pin(of.descriptor(known))
    file = to.folder / "peers" / f"{of.name}.received.age"
    if to.name in known.letters:
        file.write_bytes(known.letters[to.name])
    else:
        file.unlink(missing_ok=True)


def pinned_sides(folder: Path) -> tuple[Side, Side]:
    """Return the borrower and the lender, which have pinned each other and nothing more."""
    return pinned_pair(Side(folder / "a", BORROWER), Side(folder / "b", LENDER))


def pinned_pair(borrower: Side, lender: Side) -> tuple[Side, Side]:
    """Return two regions after each has pinned the other, before they share anything."""
    for side, other in ((borrower, lender), (lender, borrower)):
        side.folder.mkdir(parents=True, exist_ok=True)
        text = other.text
        shared = ("federation", "backup")
        alone = "\n".join(x for x in text.splitlines() if not x.startswith(shared))
        other.text = alone.replace(", lend_to: andes", "")
        side.pin(other.descriptor(other.load()))
        other.text = text
    return borrower, lender


def shared_sides(folder: Path) -> tuple[Side, Side]:
    """Return the borrower and the lender after both have the other one's letter."""
    borrower, lender = pinned_sides(folder)
    take_letter(borrower, lender)
    take_letter(lender, borrower)
    return borrower, lender


def public_key(of: Side) -> str:
    """Return the public key of a region."""
    return load_own_key_pair(of.secrets).public

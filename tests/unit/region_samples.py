"""Regions for the tests: a real one in its own folder, and the endpoints of a sandbox."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from chautari.region.load import LoadedRegion, load_region
from chautari.render.endpoints import ArtifactReplacement, Endpoints
from chautari.services.artifacts import Artifact, PackageRepository

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
SANDBOX = Endpoints(
    acme_directory="https://acme.example.org:14000/dir",
    ca_file=Path("/state/ca.pem"),
    resolver="198.51.100.2",
    operators={"sandbox": (f"{KEY} sandbox",)},
    secrets={"mail_relay_password": "canary-relay"},
    artifacts={
        "nextcloud": Artifact("nextcloud", "35.0.1", "http://mirror.example.org/n.tar", "ab" * 32),
        "greenlight": Artifact("greenlight", "3.8.2.4", "mirror.example.org/double/g", "12" * 32),
        "scalelite": Artifact("scalelite", "1.8.5", "mirror.example.org/double/s", "34" * 32),
        "framadate": Artifact("framadate", "1.1.19", "http://mirror.example.org/f.zip", "cd" * 32),
    },
    repositories={
        "jitsi": PackageRepository(
            "jitsi",
            "http://mirror.example.org/jitsi",
            "stable/",
            "http://mirror.example.org/jitsi/key.asc",
            ("AB" * 20,),
        )
    },
    missing={"deck": "no route to upstream"},
    doubles=(ArtifactReplacement("nextcloud", "35.0.1", "no route to upstream"),),
)
POLLS = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
timezone: America/Bogota
languages: [es_CO, en]
sandbox: {{network: 203.0.113.0/24}}
operators: {{ana: {key} ana@laptop}}
nodes:
  bog1: {{address: 203.0.113.20, os: debian-12, services: [nextcloud, polls]}}
services:
  polls: {{host: encuestas, keep_days: 20}}
mail: {{relay: smtp.example.org, user: region, from: cloud@andes.example.org}}
"""
REGION = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
timezone: America/Bogota
country: CO
languages: [es, en]
bandwidth: low
operators: {{ana: {key} ana@laptop}}
nodes:
  bog1: {{address: 203.0.113.10, os: debian-12, user: debian, port: 2222}}
  med1: {{address: 203.0.113.11, address6: '2001:db8::11', services: [nextcloud]}}
services:
  nextcloud: {{host: cloud, quota: 5 GB, apps: [calendar, deck]}}
mail: {{relay: smtp.example.org, user: region, from: cloud@andes.example.org}}
"""


def region_file(folder: Path, text: str = REGION, key: str = KEY) -> Path:
    """Write the region `andes` under `folder` and return its file."""
    file = folder / "andes" / "region.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text.format(key=key))
    return file


def load_sample_region(folder: Path, text: str = REGION, key: str = KEY) -> LoadedRegion:
    """Return the region `andes`, written under `folder` and loaded."""
    return load_region(region_file(folder, text, key))


def key_pair(folder: Path, name: str, kind: str = "ed25519", passphrase: str = "") -> str:
    """Write a private key to `folder/name` and return the public key's line."""
    key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
    if kind == "rsa":
        key = rsa.generate_private_key(65537, 2048)
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        lock = serialization.BestAvailableEncryption(passphrase.encode())
    forms = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH
    (folder / name).write_bytes(key.private_bytes(*forms, lock))
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return f"{public.decode()} {name}@laptop"

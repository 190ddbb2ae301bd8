"""What upstream publishes about an archive: checksums, and an OpenPGP signature."""

from __future__ import annotations

import hashlib
import re
import tempfile
from binascii import Error as Base64Error
from binascii import a2b_base64
from pathlib import Path

from chautari import process
from chautari.deploy.pinning.download import AllowedServers, fetch_small_file
from chautari.deploy.pinning.refusal import PinRefused
from chautari.files import temp_files_root
from chautari.language import _
from chautari.services.artifact_sources import ArtifactSource, OpenPGPSigner

MAX_CHECKSUM = 4 << 10
MAX_KEY = 256 << 10
GPGV_SECONDS = 900  # for an archive of the largest size, on a slow disk
_HASHES = {".sha256": "sha256", ".sha512": "sha512"}
_VALID = re.compile(r"^\[GNUPG:\] VALIDSIG ([0-9A-F]{40}) .* ([0-9A-F]{40})$", re.MULTILINE)
_ARMOR = re.compile(
    rb"-----BEGIN PGP (?:SIGNATURE|PUBLIC KEY BLOCK)-----\r?\n(?:[A-Za-z]+: [^\n]*\n)*\r?\n"
    rb"([A-Za-z0-9+/=\s]*)-----END PGP",
)


def check_published_checksums(
    file: Path, url: str, source: ArtifactSource, version: str, origin: AllowedServers
) -> None:
    """Compare a file with each checksum that upstream publishes.

    Raises:
        PinRefused: when one differs, or is not there.
    """
    name = url.rpartition("/")[2]
    for suffix in source.checksum_suffixes:
        place = url + suffix
        text = fetch_small_file(place, MAX_CHECKSUM, origin).decode(errors="replace")
        published = _find_checksum_of_file(text, name, _HASHES[suffix])
        if published is None:
            raise PinRefused("checksum_unreadable", url=place, file=name)
        if published != file_digest(file, _HASHES[suffix]):
            raise PinRefused("checksum_differs", name=source.name, version=version, url=place)


def _find_checksum_of_file(text: str, name: str, algorithm: str) -> str | None:
    """Return the checksum of the file called `name`; a text with only a checksum is its own."""
    length = hashlib.new(algorithm).digest_size * 2
    for line in text.splitlines():
        words = line.split()
        if not words or not re.fullmatch(rf"[0-9A-Fa-f]{{{length}}}", words[0]):
            continue
        if len(words) == 1 or words[1].lstrip("*").rpartition("/")[2] == name:
            return words[0].lower()
    return None


def file_digest(file: Path, algorithm: str = "sha256") -> str:
    """Return a digest of a file, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def check_openpgp_signature(
    file: Path, url: str, source: ArtifactSource, version: str, origin: AllowedServers
) -> str:
    """Check the signature of an archive, and return the signer with the fingerprint.

    Raises:
        PinRefused: when the signature is not valid or from another key, or gpgv is not installed.
    """
    signer = source.signer
    assert signer is not None
    place = f"{url}.asc"
    signature = _remove_openpgp_armor(fetch_small_file(place, MAX_CHECKSUM, origin), place)
    key = _remove_openpgp_armor(fetch_small_file(signer.key_url, MAX_KEY, origin), signer.key_url)
    with tempfile.TemporaryDirectory(prefix="chautari-", dir=temp_files_root()) as folder:
        keyring, detached = Path(folder) / "key.gpg", Path(folder) / "archive.sig"
        keyring.write_bytes(key)
        detached.write_bytes(signature)
        argv = ("gpgv", "--status-fd", "1", "--homedir", folder, "--keyring", str(keyring),
                str(detached), str(file.resolve()))  # fmt: skip
        try:
            done = process.run(argv, check=False, timeout=GPGV_SECONDS)
        except process.ProgramNotStarted:
            raise PinRefused("gpgv_missing", name=source.name, version=version) from None
    _require_signer(done.text, done.code, signer, source.name, version)
    return _("{name}, OpenPGP {fingerprint}", name=signer.name, fingerprint=signer.fingerprint)


def _require_signer(status: str, code: int, signer: OpenPGPSigner, name: str, version: str) -> None:
    """Make sure that gpgv saw exactly one valid signature, made by the signer's key."""
    found = _VALID.findall(status)
    others = [primary for __, primary in found if primary != signer.fingerprint]
    if others or "[GNUPG:] NO_PUBKEY" in status:
        raise PinRefused(
            "other_signer",
            name=name,
            version=version,
            signer=signer.name,
            expected=signer.fingerprint,
            found=others[0] if others else _("another key"),
        )
    if code != 0 or len(found) != 1:
        raise PinRefused("signature_invalid", name=name, version=version)


def _remove_openpgp_armor(content: bytes, url: str) -> bytes:
    """Return the packets in an armored text; gpgv takes keys only in this form."""
    match = _ARMOR.search(content)
    if match is None:
        raise PinRefused("signature_unreadable", url=url)
    lines = [line.strip() for line in match[1].splitlines()]
    try:
        return a2b_base64(b"".join(line for line in lines if not line.startswith(b"=")))
    except Base64Error:
        raise PinRefused("signature_unreadable", url=url) from None

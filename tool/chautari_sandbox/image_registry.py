"""Publishes doubles of upstream's container images on the mirror, as a registry serves them.

An engine asks a registry for `/v2/NAME/manifests/DIGEST` and `/v2/NAME/blobs/DIGEST`: plain files
do, as long as no client pushes and every image is requested by its digest.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from chautari.region.operating_systems import ARCHITECTURES
from chautari_sandbox import paths
from chautari_sandbox.doubles import catalog
from chautari_sandbox.doubles.release_archive import BUILD_TIME
from chautari_sandbox.spec import UpstreamImage
from chautari_sandbox.state import MirroredArtifact

SOURCES = Path(__file__).parent / "doubles" / "containers"
PACKAGES = ("python3", "python3-psycopg2")
NAMESPACE = "double"
REASON = "a sandbox does not download from upstream's image registry"
_OCI = "application/vnd.oci.image"
_BUNDLE = '#!/bin/sh\n[ "$1" != exec ] || shift\nexec python3 -m double.{name} "$@"\n'


def publish_image_doubles(
    images: Iterable[UpstreamImage], base: Path | None, mirror_root: Path, url: str
) -> tuple[MirroredArtifact, ...]:
    """Write a double of each image below `mirror_root`; `base` is the archive of its system."""
    folder = mirror_root / "v2"
    shutil.rmtree(folder, ignore_errors=True)
    host = url.split("://")[1].strip("/")
    found = []
    for item in images:
        assert base is not None
        digest = _write_image_and_return_digest(item, base, folder / NAMESPACE / item.name)
        where = f"{host}/{NAMESPACE}/{item.name}"
        found.append(MirroredArtifact(item.name, item.version, "", where, digest, True, REASON))
    return tuple(found)


def _write_image_and_return_digest(item: UpstreamImage, base: Path, folder: Path) -> str:
    """Write the image's manifest, settings and layers; return the manifest's digest."""
    image = catalog.IMAGES[item.name]
    layers = (_system_layer(base), _program_layer(item.name, image))
    config = {
        "architecture": ARCHITECTURES.get(platform.machine(), "amd64"),
        "os": "linux",
        "config": {
            "Env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "PYTHONPATH=/usr/lib",
                "PYTHONDONTWRITEBYTECODE=1",
            ],
            "WorkingDir": f"/{image.home}",
            "Labels": {"org.chautari.double": f"{item.name} {item.version}"},
            **image.config,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{plain}" for plain, _ in layers]},
    }
    settings = _write_and_describe_blob(
        folder, json.dumps(config, sort_keys=True).encode(), f"{_OCI}.config.v1+json"
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": settings,
        "layers": [
            _write_and_describe_blob(folder, packed, f"{_OCI}.layer.v1.tar+gzip")
            for _, packed in layers
        ],
    }
    text = json.dumps(manifest, sort_keys=True).encode()
    digest = hashlib.sha256(text).hexdigest()
    _write_file(folder / "manifests" / f"sha256:{digest}", text)
    return digest


def _write_and_describe_blob(folder: Path, content: bytes, kind: str) -> Mapping[str, object]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    _write_file(folder / "blobs" / digest, content)
    return {"mediaType": kind, "digest": digest, "size": len(content)}


def _write_file(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _system_layer(base: Path) -> tuple[str, bytes]:
    """Return the system's layer: the digest of its archive, and the archive packed."""
    packed = paths.cache_dir() / "images" / f"{base.stem}.layer"
    note = packed.with_suffix(".digest")
    if not (packed.is_file() and note.is_file()):
        plain = base.read_bytes()
        packed.write_bytes(gzip.compress(plain, compresslevel=1, mtime=BUILD_TIME))
        note.write_text(hashlib.sha256(plain).hexdigest())
    return note.read_text(), packed.read_bytes()


def _program_layer(name: str, image: catalog.ImageRecipe) -> tuple[str, bytes]:
    """Return the layer of the program that replaces upstream's."""
    files = {
        f"usr/lib/double/{part}": (SOURCES / part).read_text()
        for part in _double_source_files(name)
    }
    files["usr/local/bin/bundle"] = _BUNDLE.format(name=name)
    start = "#!/bin/sh\nexec python3 -m double.{name} {words}\n"
    for path, words in image.scripts.items():
        files[f"{image.home}/{path}"] = start.format(name=name, words=words)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for folder in image.folders:
            member = tarfile.TarInfo(f"{image.home}/{folder}")
            member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o777, BUILD_TIME
            archive.addfile(member)
        for path, text in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.mode, member.mtime, member.size = 0o755, BUILD_TIME, len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    plain = stream.getvalue()
    return hashlib.sha256(plain).hexdigest(), gzip.compress(plain, mtime=BUILD_TIME)


def _double_source_files(name: str) -> tuple[str, ...]:
    return ("__init__.py", "common.py", f"{name}.py")

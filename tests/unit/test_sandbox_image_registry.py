"""The registry of container images that the mirror of the sandbox serves as files."""

import hashlib
import json
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from chautari_sandbox import image_registry
from chautari_sandbox.spec import UpstreamImage
from chautari_sandbox.state import MirroredArtifact


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, MirroredArtifact]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(image_registry.paths, "cache_dir", lambda: tmp_path / "cache")
    (tmp_path / "cache" / "images").mkdir(parents=True)
    base = tmp_path / "base.tar"
    with tarfile.open(base, "w") as archive:
        archive.addfile(tarfile.TarInfo("etc"))
    required = (UpstreamImage("scalelite", "1.8.5"),)
    [found] = image_registry.publish_image_doubles(
        required, base, tmp_path / "shelf", "http://mirror.example.org/"
    )
    return tmp_path / "shelf" / "v2" / "double" / "scalelite", found


def test_image_is_found_by_the_digest_that_names_its_bytes(
    made: tuple[Path, MirroredArtifact],
) -> None:
    folder, image = made
    manifest = (folder / "manifests" / f"sha256:{image.sha256}").read_bytes()
    assert hashlib.sha256(manifest).hexdigest() == image.sha256
    assert image.url == "mirror.example.org/double/scalelite"
    for part in (json.loads(manifest)["config"], *json.loads(manifest)["layers"]):
        content = (folder / "blobs" / part["digest"]).read_bytes()
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == part["digest"]
        assert len(content) == part["size"]


def test_image_names_itself_a_double(made: tuple[Path, MirroredArtifact]) -> None:
    folder, image = made
    assert image.double
    manifest = json.loads((folder / "manifests" / f"sha256:{image.sha256}").read_bytes())
    config = json.loads((folder / "blobs" / manifest["config"]["digest"]).read_bytes())
    assert config["config"]["Labels"] == {"org.chautari.double": "scalelite 1.8.5"}
    assert config["config"]["User"] == "1000:1000"
    layer = (folder / "blobs" / manifest["layers"][1]["digest"]).read_bytes()
    with tarfile.open(fileobj=BytesIO(layer)) as archive:
        names = archive.getnames()
    assert {"usr/local/bin/bundle", "srv/scalelite/bin/start-poller"} <= set(names)


def test_registry_deletes_images_without_a_use(
    made: tuple[Path, MirroredArtifact], tmp_path: Path
) -> None:
    folder, _ = made
    assert (
        image_registry.publish_image_doubles(
            (), None, tmp_path / "shelf", "http://mirror.example.org/"
        )
        == ()
    )
    assert not folder.exists()

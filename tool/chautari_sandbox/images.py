"""The base images: built once with mmdebstrap, and named by the hash of their recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chautari.language import _
from chautari.process import run
from chautari_sandbox import apt_sources, paths, podman_commands, privileges

_COMMON = ("systemd-sysv", "dbus", "iproute2", "ca-certificates")
NODE_PACKAGES = (*_COMMON, "openssh-server", "nftables")
INTERNET_PACKAGES = (
    *_COMMON, "dnsmasq", "pebble", "nginx-light", "python3", "python3-aiosmtpd",
)  # fmt: skip
# A container is not kept for years, and without waiting for the disk packages install faster.
_DPKG_OPTION = "force-unsafe-io"
# What no two machines may share: mmdebstrap runs this as root of the build, on its own folder.
_FORGET = 'rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/resolv.conf" "$1/etc/hostname"'


@dataclass(frozen=True)
class ImageRecipe:
    """Everything that an image depends on."""

    kind: str
    release: str
    packages: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Return a short name for the whole recipe."""
        return hashlib.sha256(
            "\n".join(build_archive_command(self, "archive")).encode()
        ).hexdigest()[:12]

    @property
    def image_name(self) -> str:
        """Return the image's name; another recipe has another name."""
        return f"localhost/chautari-{self.kind}:{self.release}-{self.digest}"


def build_archive_command(recipe: ImageRecipe, archive: str) -> podman_commands.Argv:
    """Return the command that builds the image's archive."""
    return (
        "mmdebstrap", "--variant=minbase", f"--include={','.join(recipe.packages)}",
        f"--dpkgopt={_DPKG_OPTION}", f"--customize-hook={_FORGET}", "--format=tar",
        apt_sources.CODENAMES[recipe.release], archive, *recipe.sources,
    )  # fmt: skip


def image_recipes(releases: Iterable[str], targets: str) -> dict[str, ImageRecipe]:
    """Return one recipe for each release that a node uses, and `internet`."""
    made = {
        release: ImageRecipe(
            "node", release, NODE_PACKAGES, apt_sources.sources_list_lines(targets, release)
        )
        for release in sorted(set(releases))
    }
    inet = ImageRecipe(
        "internet", "12", INTERNET_PACKAGES, apt_sources.sources_list_lines(targets, "12")
    )
    return {**made, "internet": inet}


def ensure_image_archive(recipe: ImageRecipe, progress: Callable[[str], None]) -> Path:
    """Return the archive of a recipe's files; build it first when it is absent."""
    with paths.hold_lock(paths.cache_dir() / "images" / "lock"):
        archive = _image_archive_path(recipe)
        if not archive.is_file():
            progress(
                _(
                    "building the base system for {kind} containers (only once, about a minute)",
                    kind=recipe.kind,
                )
            )
            _build_image_archive(recipe, archive)
    return archive


def build_missing_images(
    base: podman_commands.Argv, recipes: Collection[ImageRecipe], progress: Callable[[str], None]
) -> tuple[str, ...]:
    """Build the images that podman does not have yet; return their names."""
    if not missing_images(base, recipes):
        return ()
    with paths.hold_lock(paths.cache_dir() / "images" / "lock"):
        absent = missing_images(base, recipes)
        for recipe in absent:
            progress(
                _(
                    "building the base image {image} (only once, about a minute)",
                    image=recipe.image_name,
                )
            )
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(lambda recipe: _import_image(base, recipe), absent))
    return tuple(recipe.image_name for recipe in absent)


def missing_images(
    base: podman_commands.Argv, recipes: Collection[ImageRecipe]
) -> list[ImageRecipe]:
    """Return the recipes of images that podman does not have."""
    present = run(podman_commands.list_images_command(base)).text.split()
    return [recipe for recipe in recipes if recipe.image_name not in present]


def _import_image(base: podman_commands.Argv, recipe: ImageRecipe) -> None:
    archive = _image_archive_path(recipe)
    if not archive.is_file():
        _build_image_archive(recipe, archive)
    run(podman_commands.import_image_command(base, str(archive), recipe.image_name))


def _build_image_archive(recipe: ImageRecipe, archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    # mmdebstrap writes into a file that exists, which so belongs to this account.
    partial.touch(0o644)
    run(privileges.as_root_with_proxies(build_archive_command(recipe, str(partial))))
    partial.replace(archive)


def _image_archive_path(recipe: ImageRecipe) -> Path:
    return paths.cache_dir() / "images" / f"{recipe.kind}-{recipe.release}-{recipe.digest}.tar"

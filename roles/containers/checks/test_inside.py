"""The container engine has the images that were pinned, and nothing runs that was not."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.role("containers")


@pytest.mark.advice("Deploy again to pull the missing images.", units=[])
def test_pinned_images_are_there(host: Any, settings: dict[str, Any]) -> None:
    """The pinned images are installed"""
    missing = [
        image
        for image in settings["containers_images"]
        if host.run("podman image exists %s", image).rc != 0
    ]
    assert not missing, f"missing images: {', '.join(missing)}"


@pytest.mark.advice(
    "A person started another container. Find the container with 'podman ps' and stop it.", units=[]
)
def test_running_containers_are_of_pinned_images(host: Any, settings: dict[str, Any]) -> None:
    """Every running container uses a pinned image"""
    running = host.check_output("podman ps --format {{.Image}}").split()
    other = [image for image in running if image not in settings["containers_images"]]
    assert not other, f"not pinned, but in use: {', '.join(other)}"


@pytest.mark.advice("Deploy again to write the settings for registries.", units=[])
def test_short_names_are_refused(host: Any) -> None:
    """An image name without a registry is refused"""
    answer = host.run("podman pull --quiet chautari-no-such-image")
    assert answer.rc != 0, "an image was pulled although its name has no registry"

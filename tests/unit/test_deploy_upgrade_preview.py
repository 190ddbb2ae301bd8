"""The region as it would be with another release of one service."""

from __future__ import annotations

from pathlib import Path

import pytest
from region_samples import load_sample_region

from chautari.deploy.upgrade_preview import (
    region_with_version,
    requested_or_first_service_to_upgrade,
    services_with_selectable_release,
)
from chautari.errors import BadInput
from chautari.services.nextcloud.settings import Nextcloud


def test_service_to_upgrade_is_the_first_with_a_version(tmp_path: Path) -> None:
    loaded_region = load_sample_region(tmp_path)
    assert requested_or_first_service_to_upgrade(loaded_region, "") == "nextcloud"
    assert "jitsi" not in services_with_selectable_release(loaded_region)


def test_service_without_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'jitsi' has no setting `version`"):
        requested_or_first_service_to_upgrade(load_sample_region(tmp_path), "jitsi")


def test_region_with_version_changes_only_the_version(tmp_path: Path) -> None:
    loaded_region = load_sample_region(tmp_path)
    before = loaded_region.region.settings_of(Nextcloud)
    changed = region_with_version(loaded_region, "nextcloud", "34.0.4").region
    assert changed.settings_of(Nextcloud) == before.model_copy(update={"version": "34.0.4"})
    assert loaded_region.region.settings_of(Nextcloud) == before
    back = region_with_version(loaded_region, "nextcloud", None).region
    assert back.settings_of(Nextcloud).version is None


def test_region_with_unpinned_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no checksum is known for Nextcloud 99\.0\.0"):
        region_with_version(load_sample_region(tmp_path), "nextcloud", "99.0.0")

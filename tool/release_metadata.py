"""Let both distributions require exactly each other's version, which is written in one place."""

from __future__ import annotations

from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class ExactVersionHook(MetadataHookInterface):
    """Adds to a distribution what it requires of the other one: `hatchling` calls it."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the requirement that `pyproject.toml` names, with the version of the build."""
        requirement = f"{self.config['requires']}=={metadata['version']}"
        if extra := self.config.get("extra"):
            metadata["optional-dependencies"] = {extra: [requirement]}
        else:
            metadata["dependencies"] = [requirement]

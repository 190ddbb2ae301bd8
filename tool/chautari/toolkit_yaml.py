"""Read the YAML files of the toolkit. Use `region/yaml_reader.py` for files of users."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def read_toolkit_yaml(file: Path) -> Any:
    """Return the content of a YAML file of the toolkit.

    PyYAML with libyaml reads it ten times faster.
    """
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_bytes(), Loader=loader)

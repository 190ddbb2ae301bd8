"""Load the programs in `.ci`, which are in no package."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from region_samples import ROOT


def load_ci_script(name: str) -> ModuleType:
    """Return the program `.ci/NAME.py` as a module."""
    module_name = f"ci_{name}"
    spec = importlib.util.spec_from_file_location(module_name, ROOT / ".ci" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module

"""Ansible callback that notes which files, packages and units the tasks of a run look after."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

_FILES = {"template", "copy", "lineinfile", "blockinfile", "get_url", "deb822_repository"}
_PACKAGES = {"apt", "package"}
_UNITS = {"systemd", "systemd_service", "service"}


class CallbackModule(CallbackBase):
    """Writes `[kind, name]` lines to the file that BENCH_MANAGED names."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "managed"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note what a task, or each item of its loop, looked after."""
        module = result._task.action.rsplit(".", 1)[-1]
        data = result._result
        for item in data.get("results", [data]):
            given = item.get("invocation", {}).get("module_args", {})
            if not item.get("skipped"):
                self._note(module, given, item)

    def _note(self, module: str, given: dict[str, Any], item: dict[str, Any]) -> None:
        if module in _FILES:
            names = [item.get("dest") or given.get("dest") or given.get("path")]
            kind = "file"
        elif module in _PACKAGES:
            names, kind = given.get("package") or given.get("name") or [], "package"
        elif module in _UNITS:
            names, kind = [given.get("name")], "unit"
        else:
            return
        with Path(os.environ["BENCH_MANAGED"]).open("a") as stream:
            for name in [names] if isinstance(names, str) else names:
                if name:
                    stream.write(json.dumps([kind, name]) + "\n")

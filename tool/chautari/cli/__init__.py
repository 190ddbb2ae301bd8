"""The `deploy` command: arguments to one call each."""

import gc
import os

# Modules stay until the end. To look for garbage among them after every 700 new objects, as Python
# does, takes a tenth of a command's start.
gc.set_threshold(300_000)
# pydantic would search every installed package for plugins, which costs 20 ms.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

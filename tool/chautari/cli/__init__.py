"""The `deploy` command: arguments to one call each."""

import gc
import os

# What is loaded stays: to look for garbage after every 700 new objects costs a twentieth of a
# deploy that has nothing to do.
gc.set_threshold(50_000)
# pydantic would search every installed package for plugins, which costs 20 ms.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

"""The `deploy` command: arguments to one call each."""

import gc

# What is loaded stays: to look for garbage after every 700 new objects costs a twentieth of a
# deploy that has nothing to do.
gc.set_threshold(50_000)

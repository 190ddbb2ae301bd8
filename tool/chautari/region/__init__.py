"""Loading and validating `region.yml`: guarded reader, typed model, rules across fields."""

import os

# Pydantic would look for plugins in every installed package, a tenth of a second for none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

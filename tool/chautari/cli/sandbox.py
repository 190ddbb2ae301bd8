"""`deploy sandbox`: the subcommand of the package chautari-sandbox, where it is installed."""

from __future__ import annotations

from chautari.language import _
from chautari.render.provider import require_endpoints_provider

command = require_endpoints_provider(_("this command runs a region in containers")).subcommand()

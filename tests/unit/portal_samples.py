"""Content of a front page, as the control side writes it, and its programs as modules."""

import importlib.machinery
import importlib.util
import sys
import tomllib
from typing import Any

from region_samples import ROOT

FILES = ROOT / "roles" / "portal" / "files"
HOSTILE = "\"'><script>alert(1)</script>&{{ 7 }}$title ${about}"
NOW = 1_764_461_000
CONTENT: dict[str, Any] = {
    "version": "0.1.0",
    "region": "andes",
    "url": "https://andes.example.org/",
    "title": {"": "Red Andes"},
    "about": {"es": "Doce cooperativas.\n\nEscríbanos.", "en": "Twelve cooperatives."},
    "accounts": {},
    "contact": "ops@andes.example.org",
    "country": "CO",
    "timezone": "America/Bogota",
    "languages": ["es", "qu", "en"],
    "page_languages": ["en", "es", "pt", "hi", "ne", "bn"],
    "language_names": {
        "bn": "বাংলা", "en": "English", "es": "Español", "hi": "हिन्दी", "ne": "नेपाली",
        "pt": "Português", "qu": "Runa Simi",
    },
    "services": [
        {
            "name": "nextcloud", "app": "Nextcloud", "url": "https://cloud.andes.example.org/",
            "opened_in": "", "account": "all",
            "languages": {"es": "full", "qu": "none", "en": "full"},
        },
        {
            "name": "polls", "app": "Framadate", "url": "https://polls.andes.example.org/",
            "opened_in": "", "account": "none", "languages": {},
        },
        {
            "name": "jitsi", "app": "Jitsi Meet", "url": "https://meet.andes.example.org/",
            "opened_in": "", "account": "host",
            "languages": {"es": "full", "qu": "partial", "en": "full"},
        },
        {
            "name": "bigbluebutton", "app": "BigBlueButton 3.0", "url": "",
            "opened_in": "nextcloud", "account": "host", "languages": {},
        },
    ],
    "peers": [
        {
            "name": "himalaya", "region": "himalaya", "domain": "himalaya.example.org",
            "url": "https://himalaya.example.org/",
            "services": [
                {"service": "polls", "title": "Polls", "url": "https://polls.himalaya.example.org/"}
            ],
        }
    ],
}  # fmt: skip
HEARTBEATS = {"himalaya": {"last": NOW - 600, "silent": False}}
STATE: dict[str, Any] = {
    "checked": NOW,
    "services": {
        "nextcloud": {"responds": True, "since": NOW - 9000, "restored": NOW - 86_400},
        "polls": {"responds": True, "since": NOW},
        "jitsi": {"responds": False, "since": NOW - 3000},
    },
}


def texts_of(language: str) -> dict[str, Any]:
    return tomllib.loads((FILES / "texts" / f"{language}.toml").read_text())


def load_program(name: str) -> Any:
    """Return a program of the role as a module, with the modules that lie beside it."""
    if str(FILES) not in sys.path:
        sys.path.insert(0, str(FILES))
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(FILES / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module

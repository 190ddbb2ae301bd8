"""A key's fingerprint as twelve words that two people compare in a call.

The words are those of BIP-39 (package `mnemonic`): well-kept lists of 2048 words in English,
Spanish and Portuguese, and a checksum that finds a misheard word. They encode the first 128 bits
of the SHA-256 fingerprint, too many to find another key with the same words.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections.abc import Iterable

from mnemonic import Mnemonic

from chautari.region.ssh_key_types import compute_key_fingerprint

# The lists by the language of the people who read them out.
LISTS = {"en": "english", "es": "spanish", "pt": "portuguese"}
DEFAULT_LANGUAGE = "en"
_BYTES = 16


def fingerprint_of_key(line: str) -> str:
    """Return the fingerprint of a public key, as `ssh-keygen -l` prints it."""
    return compute_key_fingerprint(line.split()[1])


def key_words_text(line: str, language: str = DEFAULT_LANGUAGE) -> str:
    """Return the twelve words of a public key in a language of `LISTS`."""
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    words = Mnemonic(LISTS[language]).to_mnemonic(digest[:_BYTES])
    # BIP-39 splits letters and accents; terminals show them better as one character.
    return unicodedata.normalize("NFC", words)


def languages_with_word_list(languages: Iterable[str]) -> list[str]:
    """Return those of a region's languages that have a list, and English, each once."""
    bases = [language.split("_")[0] for language in languages]
    return list(dict.fromkeys([*(item for item in bases if item in LISTS), DEFAULT_LANGUAGE]))


def is_fingerprint_or_words_of_key(text: str, line: str) -> bool:
    """Return whether `text` is the fingerprint of a public key, or its words in any language."""
    if text.strip().startswith("SHA256:"):
        return text.strip() == fingerprint_of_key(line)
    return any(
        _without_accents_and_case(text) == _without_accents_and_case(key_words_text(line, language))
        for language in LISTS
    )


def _without_accents_and_case(words: str) -> list[str]:
    """Return the words without accents and capital letters: people type them as they like."""
    letters = unicodedata.normalize("NFKD", words.casefold())
    return "".join(c for c in letters if not unicodedata.combining(c)).split()

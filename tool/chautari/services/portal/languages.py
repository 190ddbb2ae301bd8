"""The languages of the front page, and the names of languages in themselves."""

from __future__ import annotations

from collections.abc import Iterable

# Each has a file of texts in `roles/portal/files/texts`.
PAGE_LANGUAGES = ("en", "es", "pt", "hi", "ne", "bn")
NAMES = {
    "ar": "العربية", "as": "অসমীয়া", "ay": "Aymar aru", "bn": "বাংলা", "bo": "བོད་ཡིག",
    "br": "Brezhoneg", "ca": "Català", "de": "Deutsch", "dz": "རྫོང་ཁ", "en": "English",
    "eo": "Esperanto", "es": "Español", "fr": "Français", "gl": "Galego", "gn": "Avañe’ẽ",
    "gu": "ગુજરાતી", "hi": "हिन्दी", "it": "Italiano", "kn": "ಕನ್ನಡ", "mai": "मैथिली",
    "ml": "മലയാളം", "mr": "मराठी", "my": "မြန်မာ", "ne": "नेपाली", "nl": "Nederlands",
    "oc": "Occitan", "or": "ଓଡ଼ିଆ", "pa": "ਪੰਜਾਬੀ", "ps": "پښتو", "pt": "Português",
    "qu": "Runa Simi", "sd": "سنڌي", "si": "සිංහල", "ta": "தமிழ்", "te": "తెలుగు", "ur": "اردو",
}  # fmt: skip


def language_without_country(language: str) -> str:
    """Return the language of a code without its country: es for es_CO."""
    return language.split("_")[0]


def fallback_page_language(languages: Iterable[str]) -> str:
    """Return the page's language for readers whose languages it lacks."""
    bases = map(language_without_country, languages)
    return next((base for base in bases if base in PAGE_LANGUAGES), "en")


def language_names_by_code(languages: Iterable[str]) -> dict[str, str]:
    """Return the name of each language in itself; the code of one whose name is unknown."""
    return {
        language: NAMES.get(language_without_country(language), language) for language in languages
    }

"""Languages of Greenlight."""

from __future__ import annotations

from chautari.services.languages import Translations, split_language_names

TRANSLATIONS = Translations(
    version="3.8.2.4",
    source="texts in app/assets/locales/*.json that are also in en.json",
    complete=split_language_names(
        "el hu it ja pl tr fr zh_TW de es eu fa_IR gl ko_KR ru ca pl_PL uk fa et nl pt sv_SE"
    ),
    partial=("cs",),
)

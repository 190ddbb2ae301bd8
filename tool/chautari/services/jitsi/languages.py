"""Languages of Jitsi Meet's web pages."""

from __future__ import annotations

from chautari.services.languages import Translations, split_language_names

TRANSLATIONS = Translations(
    version="August 2026",
    source="texts in lang/main-*.json that are also in lang/main.json, in the copy of jitsi-meet "
    "at ericva01/jitsi-meeting",
    complete=split_language_names(
        "hi nl de lv pt fr it mn da fa fi kk sq sv bg fr-CA zh-CN zh-TW sc ru ko nb no oc tr cs id "
        "is vi eo pt-BR pl el es uk ar ca hr dsb hsb ja"
    ),
    partial=split_language_names("es-US kab sl hu eu te ml sk he lt mr be et gl ro sr af hy"),
    separator="-",
)

"""Languages of Nextcloud's releases.

The role reads them again from the release that it installs (`nextcloud-languages`). These lists say
before a deploy what it will find.
"""

from __future__ import annotations

from chautari.services.languages import Translations, split_language_names
from chautari.services.nextcloud.releases import major_version

_SOURCE = "texts of l10n/*.json in core, lib, apps/files and apps/settings"

_COMPLETE_33 = (
    "ga pt_BR en_GB zh_CN lt_LT uk de zh_TW de_DE zh_HK ja pl sk hr gl cs tr mn fr el es it "
    "ru id ug sv lo sr da et_EE eu ca nl hu ar nb is bg mk ko fa sl es_MX fi "
)
_PARTIAL_33 = (
    "be ast ka pt_PT vi sw es_EC sc ro eo th es_AR lv oc he uz es_CL br es_SV es_GT es_DO "
    "es_CR es_CO ka_GE es_419 es_PE es_PR es_PA es_PY es_HN es_UY es_NI sq nn_NO lb az ia si "
    "km bn_BD cy_GB ta hy bs ms_MY ur_PK kn af kab sr@latin gd an tk ps fo ne my mr hi_IN "
    "zu_ZA la hsb ig "
)
_COMPLETE_34 = (
    "zh_TW lt_LT de_DE ga pt_BR zh_CN ja tr ru en_GB de fa gl zh_HK pl uk fr es it et_EE sk "
    "cs hr mn el id sv ug lo sr da eu nl ca hu ar nb ko is bg mk sl es_MX fi "
)
_PARTIAL_34 = (
    "be pt_PT ast ka vi sw es_EC sc ro eo th es_AR lv oc he uz br es_CL es_SV es_GT es_DO "
    "es_CR es_CO ka_GE es_419 es_PE es_PR es_PA es_PY es_HN es_UY es_NI sq nn_NO lb az ia si "
    "km bn_BD cy_GB ta hy kab bs ms_MY ur_PK kn af sr@latin gd an tk ps fo ne my mr hi_IN "
    "zu_ZA la hsb ig "
)

TRANSLATIONS = {
    33: Translations(
        "33.0.3",
        _SOURCE,
        split_language_names(_COMPLETE_33),
        split_language_names(_PARTIAL_33),
    ),
    34: Translations(
        "34.0.1",
        _SOURCE,
        split_language_names(_COMPLETE_34),
        split_language_names(_PARTIAL_34),
    ),
}


def translations_of_version(version: str) -> Translations:
    """Return the languages of Nextcloud `version`, or those of its nearest known neighbour."""
    known = sorted(TRANSLATIONS)
    return TRANSLATIONS[min(max(major_version(version), known[0]), known[-1])]

"""Which of a region's languages each app is translated into."""

from pathlib import Path

import pytest
from node_samples import SECRETS
from region_samples import REGION, load_sample_region

from chautari.deploy import region_report
from chautari.deploy.request import DeployContext, Request
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.report.model import NodeReport, RegionReport
from chautari.services.greenlight.languages import TRANSLATIONS as GREENLIGHT
from chautari.services.jitsi.languages import TRANSLATIONS as JITSI
from chautari.services.languages import Translations, split_language_names
from chautari.services.nextcloud.languages import translations_of_version
from chautari.services.polls.poll_apps import APPS

APP = Translations(
    "1.0",
    "catalogues",
    split_language_names("es pt_BR zh_TW zh_CN"),
    split_language_names("pt_PT hi_IN"),
)


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("es", "es"), ("es_CO", "es"), ("pt", "pt_BR"), ("pt_PT", "pt_BR"), ("pt_BR", "pt_BR"),
        ("zh", "zh_TW"), ("hi", None), ("ne", None), ("en", "en"), ("en_GB", "en"),
    ],
)  # fmt: skip
def test_find_returns_the_most_complete_translation(language: str, name: str | None) -> None:
    assert APP.find_upstream_locale(language) == name


def test_candidates_include_what_a_later_release_may_have() -> None:
    assert APP.candidates_for_language("hi") == ["hi", "hi_IN"]
    assert APP.candidates_for_languages(["pt_PT", "es"]) == ["pt_PT", "pt", "pt_BR", "es"]


@pytest.mark.parametrize(
    ("languages", "default"), [(["hi", "pt"], "pt_BR"), (["es", "pt"], "es"), (["ne"], "en")]
)
def test_default_is_the_first_language_that_the_app_has(languages: list[str], default: str) -> None:
    assert APP.find_first_locale_or_english(languages) == default


@pytest.mark.parametrize("version", ["32.0.1", "33.0.9", "34.0.4", "35.0.1"])
def test_nextcloud_has_no_hindi_bengali_or_nepali_and_two_kinds_of_portuguese(
    version: str,
) -> None:
    found = translations_of_version(version)
    assert [found.find_upstream_locale(language) for language in ("hi", "bn", "ne")] == [
        None,
        None,
        None,
    ]
    assert (found.find_upstream_locale("pt"), found.find_upstream_locale("es_CO")) == (
        "pt_BR",
        "es",
    )


def test_apps_differ_in_their_languages() -> None:
    assert (
        JITSI.find_upstream_locale("hi"),
        JITSI.find_upstream_locale("pt_BR"),
        JITSI.find_upstream_locale("bn"),
    ) == ("hi", "pt-BR", None)
    assert (GREENLIGHT.find_upstream_locale("pt_BR"), GREENLIGHT.find_upstream_locale("hi")) == (
        "pt",
        None,
    )
    framadate = APPS["framadate"].translations
    assert (framadate.find_upstream_locale("es_CO"), framadate.find_upstream_locale("pt")) == (
        "es",
        None,
    )


def report_of(folder: Path, languages: str, mode: str) -> RegionReport:
    files = load_sample_region(folder, REGION.replace("[es, en]", f"[{languages}]"))
    context = DeployContext(Request(files, mode), PUBLIC_INTERNET, SECRETS, ())
    report = region_report.new_report(context.request, PUBLIC_INTERNET)
    report.nodes = [NodeReport(name, "203.0.113.11", "planned") for name in ("bog1", "med1")]
    return region_report.finalize_report(report, context, mode, 1.0)


@pytest.mark.parametrize("mode", ["plan", "deploy"])
def test_reports_name_the_languages_that_an_app_lacks(mode: str, tmp_path: Path) -> None:
    report = report_of(tmp_path, "pt, hi, es", mode)
    assert report.services[0].languages == {"pt": "pt_BR", "hi": "", "es": "es"}
    assert report.services[0].languages_text == "pt (pt_BR), not hi, es"
    notice = report.nodes[1].notices[0]
    assert (notice.code, notice.data["missing"]) == ("languages_missing", ["hi"])
    assert "no complete translation for these languages: hi." in notice.text
    assert "in pt_BR instead, or" in notice.text


def test_reports_are_silent_about_languages_that_every_app_has(tmp_path: Path) -> None:
    report = report_of(tmp_path, "es, en", "deploy")
    assert [node.notices for node in report.nodes] == [[], []]
    assert report.services[0].languages_text == "es, en"

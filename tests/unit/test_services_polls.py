"""The poll service: an app chosen by name, and its use at each stage."""

from dataclasses import replace
from pathlib import Path

import pytest
from node_samples import SECRETS, node
from region_samples import POLLS, SANDBOX, load_sample_region

from chautari.deploy import region_report
from chautari.deploy.request import DeployContext, Request
from chautari.errors import InvalidRegion
from chautari.region.load import load_region
from chautari.render.endpoints import PUBLIC_INTERNET
from chautari.render.variables import NodeContext, variables_of_node
from chautari.report.model import RegionReport
from chautari.services import registry
from chautari.services.artifact_sources import ArtifactSource
from chautari.services.artifacts import Artifact
from chautari.services.languages import Translations
from chautari.services.polls.poll_apps import APPS, PollApp
from chautari.services.polls.variables import release_to_install
from chautari.services.registry import ROLES
from chautari.services.release_tags import ReleaseTags
from chautari.services.state import State
from chautari_sandbox import provider

FIXTURE = Path(__file__).parents[1] / "fixtures" / "valid" / "with-polls" / "region.yml"
OTHER = PollApp(
    title="Other",
    release=Artifact("other", "2.0.0", "https://example.org/other-2.0.0.tar.gz", "ef" * 32),
    source=ArtifactSource("other", "https://example.org/other-{0}.tar.gz", "VERSION", "(.*)"),
    roles=("nginx", "tls", "postgresql"),
    databases={"postgresql": ("other",)},
    state=State(),
    secrets={"other_database_password": "database", "other_admin_password": "login"},
    translations=Translations("2.0.0", "its catalogues", ("es",)),
    release_tags=ReleaseTags("other", "https://git.example.org/other"),
    php=None,
)


def test_polls_add_the_roles_of_their_app(tmp_path: Path) -> None:
    roles = node(tmp_path, "bog1", SANDBOX, POLLS).roles
    assert {"nginx", "tls", "mariadb", "php", "framadate"} <= set(roles)
    assert list(roles) == sorted(roles, key=list(ROLES).index)


def test_polls_get_the_settings_of_the_region(tmp_path: Path) -> None:
    public = node(tmp_path, "bog1", SANDBOX, POLLS).public
    expected = {
        "framadate_version": "1.1.19",
        "framadate_url": "http://mirror.example.org/f.zip",
        "framadate_domain": "encuestas.andes.example.org",
        "framadate_languages": ["es_CO", "en"],
        "framadate_timezone": "America/Bogota",
        "framadate_keep_days": 20,
        "framadate_admin_from_outside": False,
        "framadate_mail_from": "cloud@andes.example.org",
        "mariadb_databases": [{"name": "framadate", "owner": "framadate"}],
        "postgresql_databases": [{"name": "nextcloud", "owner": "nextcloud"}],
    }
    assert public | expected == public


def test_node_with_both_services_has_both_names(tmp_path: Path) -> None:
    public = node(tmp_path, "bog1", SANDBOX, POLLS).public
    both = ["cloud.andes.example.org", "encuestas.andes.example.org"]
    assert public["nginx_names"] == both
    assert [item["name"] for item in public["tls_certificates"]] == both


def test_database_of_framadate_has_no_password(tmp_path: Path) -> None:
    secret = node(tmp_path, "bog1", SANDBOX, POLLS).secret
    assert secret["framadate_admin_password"] == "canary-polls"
    assert [name for name in secret if name.startswith("framadate_")] == [
        "framadate_admin_password"
    ]


def test_pinned_release_is_installed() -> None:
    found = release_to_install(NodeContext(load_region(FIXTURE), PUBLIC_INTERNET, "bog1"))
    assert (found.version, found.sha256) == ("1.1.19", "ab" * 32)
    assert found.file_name == "framadate-1.1.19.zip"


def test_sandbox_provides_the_releases_of_both_services(tmp_path: Path) -> None:
    expected = provider.sandbox_spec(load_sample_region(tmp_path, POLLS)).wanted
    assert {"nextcloud", "framadate"} <= {item.name for item in expected}
    [release] = [item for item in expected if item.name == "framadate"]
    assert release.sha256 == ""


def test_report_names_both_services_and_their_logins(tmp_path: Path) -> None:
    found = load_sample_region(tmp_path, POLLS)
    request = Request(found, "deploy")
    ready = DeployContext(request, SANDBOX, SECRETS, ())
    services = {info.service: info for info in region_report.service_accesses(ready)}
    assert set(services) == {"nextcloud", "framadate"}
    assert services["framadate"].url == "https://encuestas.andes.example.org/"
    assert "framadate_admin_password" in services["framadate"].note
    assert isinstance(region_report.new_report(request, SANDBOX), RegionReport)
    [line] = region_report.sandbox_hosts_file_lines(found.region)
    assert line == "203.0.113.20 cloud.andes.example.org encuestas.andes.example.org"


def test_mail_of_checks_stays_on_the_node_without_a_mail_api(tmp_path: Path) -> None:
    public = node(tmp_path, "bog1", SANDBOX, POLLS).public
    both = [public["nextcloud_check_email"], public["framadate_check_email"]]
    assert public["mail_discard"] == both and both[0] != both[1]
    variables = node(tmp_path, "bog1", replace(SANDBOX, mail_api="http://x"), POLLS).public
    assert variables["mail_discard"] == []


@pytest.mark.parametrize(
    ("os", "php", "fits"), [("debian-12", "8.2", True), ("debian-13", "8.4", False)]
)
def test_app_that_does_not_support_the_php_of_a_node_is_refused(
    os: str, php: str, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(APPS, "framadate", APPS["framadate"]._replace(php=((7, 3), (8, 3))))
    text = POLLS.replace("debian-12", os)
    if fits:
        assert load_sample_region(tmp_path, text)
        return
    with pytest.raises(
        InvalidRegion, match=rf"nodes.bog1.os: Framadate does not support PHP {php}"
    ):
        load_sample_region(tmp_path, text)


def test_one_registry_entry_replaces_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(APPS, "other", OTHER)
    # The registry reads the apps when it is imported.
    monkeypatch.setitem(registry.ROLES, "other", OTHER.own_role())
    text = POLLS.replace("host: encuestas", "app: other, host: encuestas")
    own = {"other_database_password": "canary-db", "other_admin_password": "canary-admin"}
    found = variables_of_node(
        NodeContext(load_sample_region(tmp_path, text), PUBLIC_INTERNET, "bog1"),
        SECRETS.with_values(own),
    )
    assert found.roles[-1] == "other" and "mariadb" not in found.roles
    assert {"name": "other", "owner": "other"} in found.public["postgresql_databases"]
    assert found.secret["postgresql_passwords"]["other"] == "canary-db"
    assert found.public["other_domain"] == "encuestas.andes.example.org"
    assert found.public["other_sha256"] == "ef" * 32
    assert not [name for name in found.public if name.startswith("framadate_")]

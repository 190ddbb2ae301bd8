"""Every template of every role, on both releases, with rendered variables."""

import base64
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible.errors import AnsibleUndefinedVariable
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from templates import RELEASES, ROLES, Variables, render, variables

TEMPLATES = sorted(
    (file.parts[-3], file.name) for file in ROLES.glob("*/templates/*.j2") if file.is_file()
)
# A role that includes the shared role, and so gives its templates their arguments.
USERS = {"app_container": "scalelite", "php_pool": "nextcloud", "web_site": "nextcloud"}
NAMES = "cloud.andes.example.org polls.andes.example.org"
JINJA = "{{ 7 * 191 }}"  # 1337 when something evaluates it


def item(given: Variables) -> Variables:
    """Return what a task's loop adds: a container, a peer or an operator's account."""
    if "app_container_units" in given:
        return {"item": trust_as_template("{{ app_container_units[0] }}")}
    peer = {"account": "backup-andes", "quota_mb": 50, "logins": [{"node": "bog1", "key": "ssh-k"}]}
    return {
        "__base_operator": trust_as_template("{{ base_operators[0] }}"),
        "__backup_space_peer": peer,
    }


def authorized_keys(folder: Path, before: str) -> str:
    """Return the operator's file of keys where its content was `before`."""
    given = variables(folder, "base", "13")
    slurped = {"content": base64.b64encode(before.encode()).decode()}
    return render("base", "authorized_keys.j2", given | item(given) | {"__base_keys": slurped})


OLD_KEY = 'from="192.0.2.1",no-pty ssh-ed25519 AAAAC3Nza old@desk'


def test_keys_that_were_there_before_stay_and_nothing_else(tmp_path: Path) -> None:
    new = authorized_keys(tmp_path, "")
    assert new.count("ssh-ed25519 ") == 1
    first = authorized_keys(tmp_path, f"# mine\n{OLD_KEY}\n\necho x\n")
    assert OLD_KEY in first and "mine" not in first and "echo" not in first
    assert set(new.splitlines()) | {OLD_KEY} == set(first.splitlines())
    assert authorized_keys(tmp_path, first) == first
    assert authorized_keys(tmp_path, first + "# added by hand\n") == first


def test_key_that_the_region_named_before_is_removed(tmp_path: Path) -> None:
    new = authorized_keys(tmp_path, "")
    earlier = new.replace("# END", "ssh-ed25519 AAAAold ana@old\n# END")
    assert authorized_keys(tmp_path, earlier) == new


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(("role", "name"), TEMPLATES)
def test_template_renders_with_nothing_undefined(
    role: str, name: str, release: str, tmp_path: Path
) -> None:
    user = USERS.get(role, role)
    given = variables(tmp_path, user, release)
    text = render(user, name, given | item(given))
    assert text.endswith("\n") or role == "postgresql"
    assert "{{" not in text and "{%" not in text
    assert "None" not in text and "__" not in text.replace("__$", "")


def test_undefined_variable_is_fatal(tmp_path: Path) -> None:
    given = variables(tmp_path, "mail", "13")
    del given["mail_hostname"]
    with pytest.raises(AnsibleUndefinedVariable, match="mail_hostname"):
        render("mail", "main.cf.j2", given)


@pytest.mark.parametrize("release", RELEASES)
def test_nginx_serves_the_region_s_names_only(release: str, tmp_path: Path) -> None:
    text = render("nginx", "default.conf.j2", variables(tmp_path, "nginx", release))
    assert re.findall(r"server_name (.*);", text) == ["_", "_", NAMES]
    assert "return 301 https://$host$request_uri;" in text
    assert text.count("/.well-known/acme-challenge/") == 2
    assert "ssl_reject_handshake on;" in text


def test_nginx_without_names_redirects_nothing(tmp_path: Path) -> None:
    text = render("nginx", "default.conf.j2", variables(tmp_path, "nginx", "13", nginx_names=[]))
    assert "return 301" not in text


@pytest.mark.parametrize(
    ("release", "listen", "curve"), [("12", "443 ssl http2", False), ("13", "443 ssl", True)]
)
def test_nginx_uses_directives_of_its_release(
    release: str, listen: str, curve: bool, tmp_path: Path
) -> None:
    given = variables(tmp_path, "nginx", release)
    assert f"listen {listen} default_server;" in render("nginx", "default.conf.j2", given)
    tls = render("nginx", "chautari-tls.conf.j2", given)
    assert ("X25519MLKEM768" in tls) is curve
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in tls
    assert ("http2 on;" in render("nginx", "nginx.conf.j2", given)) is curve


@pytest.mark.parametrize("release", RELEASES)
def test_nextcloud_s_site_hides_private_paths(release: str, tmp_path: Path) -> None:
    text = render("nextcloud", "site.conf.j2", variables(tmp_path, "nextcloud", release))
    assert "server_name cloud.andes.example.org;" in text
    assert "/etc/chautari/tls/cloud.andes.example.org/fullchain.pem" in text
    for private in ("config", "data", "3rdparty", "lib", "occ"):
        assert re.search(rf"location ~ \^/\S*\b{private}\b.*return 404", text), private


@pytest.mark.parametrize(("peers", "open_list"), [(0, False), (1, True), (1, False)])
def test_nextcloud_s_site_hides_people_from_peers_unless_the_region_shares_them(
    peers: int, open_list: bool, tmp_path: Path
) -> None:
    given = variables(tmp_path, "nextcloud", "13") | {
        "nextcloud_peers": [{"name": "himalaya"}] * peers, "nextcloud_address_books": open_list,
    }  # fmt: skip
    text = render("nextcloud", "site.conf.j2", given)
    hides = peers == 1 and not open_list
    assert ("location ^~ /remote.php/dav/addressbooks/system {" in text) is hides
    assert ("if ($nextcloud_as_peer)" in text) is hides
    assert ("fastcgi_param HTTP_AUTHORIZATION $http_authorization;" in text) is hides


@pytest.mark.parametrize(
    ("memory_mb", "children", "start", "spare"),
    [(900, 5, 2, 3), (2000, 12, 2, 3), (8000, 50, 6, 12), (64000, 120, 15, 30)],
)
def test_php_pool_is_sized_from_the_node_s_memory(
    memory_mb: int, children: int, start: int, spare: int, tmp_path: Path
) -> None:
    text = render("nextcloud", "pool.conf.j2", variables(tmp_path, "nextcloud", "13", memory_mb))
    numbers = {key: int(value) for key, value in re.findall(r"pm\.(\w+) = (\d+)\n", text)}
    assert numbers["max_children"] == children
    assert numbers["start_servers"] == start
    assert numbers["max_spare_servers"] == spare
    assert numbers["min_spare_servers"] <= start <= spare <= children


def nft_accepts(text: str, folder: Path) -> None:
    nft = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin")
    assert nft, "nft is missing: apt-get install nftables"
    file = folder / "rules.nft"
    file.write_text(text)
    # A network namespace of its own: a check, and never this machine's rules.
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", nft, "-c", "-f", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("release", RELEASES)
def test_firewall_rules_are_accepted_by_nft(release: str, tmp_path: Path) -> None:
    text = render("firewall", "chautari.nft.j2", variables(tmp_path, "firewall", release))
    nft_accepts(text, tmp_path)
    for rule in ("tcp dport { 22, 2222 } accept", "tcp dport 80 accept", "tcp dport 443 accept"):
        assert rule in text
    assert "policy drop;" in text
    assert "flush ruleset" not in text


def test_firewall_accepts_ranges_sources_and_hostile_comments(tmp_path: Path) -> None:
    ports = [
        {"port": "10000-20000", "protocol": "udp", "comment": "media", "sources": []},
        {
            "port": 5432,
            "protocol": "tcp",
            "comment": 'x" accept; flush ruleset; # ' + JINJA + "\n}" + "y" * 300,
            "sources": ["203.0.113.0/24", "2001:db8::/32"],
        },
    ]
    text = render(
        "firewall", "chautari.nft.j2", variables(tmp_path, "firewall", "13", firewall_ports=ports)
    )
    nft_accepts(text, tmp_path)
    assert "udp dport 10000-20000 accept" in text
    assert "ip saddr { 203.0.113.0/24 } tcp dport 5432 accept" in text
    assert "ip6 saddr { 2001:db8::/32 } tcp dport 5432 accept" in text
    assert "ruleset;" not in text
    assert "1337" not in text


def test_mail_goes_to_the_relay_over_verified_tls(tmp_path: Path) -> None:
    given = variables(tmp_path, "mail", "13")
    text = render("mail", "main.cf.j2", given)
    for line in (
        "relayhost = [smtp.example.org]:587",
        "smtp_tls_security_level = secure",
        "inet_interfaces = loopback-only",
        "smtp_tls_wrappermode = no",
        "myhostname = lima.andes.example.org",
    ):
        assert f"\n{line}\n" in text
    password = render("mail", "relay_password.j2", given)
    assert password.endswith("[smtp.example.org]:587 region:canary-relay\n")
    assert "canary" not in text


def test_redis_listens_only_on_its_socket(tmp_path: Path) -> None:
    text = render("redis", "chautari.conf.j2", variables(tmp_path, "redis", "13"))
    assert "\nport 0\n" in text
    assert "\nunixsocketperm 770\n" in text


@pytest.mark.parametrize(
    ("memory_mb", "buffers"), [(900, "128MB"), (4000, "500MB"), (64000, "1024MB")]
)
def test_postgresql_is_sized_and_listens_on_loopback(
    memory_mb: int, buffers: str, tmp_path: Path
) -> None:
    given = variables(tmp_path, "postgresql", "13", memory_mb)
    text = render("postgresql", "chautari.conf.j2", given)
    assert f"shared_buffers = '{buffers}'" in text
    assert "listen_addresses = 'localhost'" in text


@pytest.mark.parametrize(
    ("settings", "own", "port"),
    [
        ("#port = 1\nport = 5433\t\t# (change requires restart)\n", "", "5433"),
        ("port = 5433\n", "port = '6000'\n", "6000"),
        ("# port = 1\n", "listen_addresses = 'localhost'\n", "5432"),
    ],
)
def test_command_asks_the_cluster_of_the_role_on_its_port(
    settings: str, own: str, port: str, tmp_path: Path
) -> None:
    script = render("postgresql", "chautari-psql.j2", variables(tmp_path, "postgresql", "12"))
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "postgresql.conf").write_text(settings)
    (tmp_path / "conf.d" / "chautari.conf").write_text(own)
    script = script.replace("/etc/postgresql/15/main", str(tmp_path))
    script = re.sub("exec setpriv .*--clear-groups", "echo", script)
    done = subprocess.run(
        ["sh", "-s", "--", "-c", "SHOW port"],
        input=script,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"/usr/lib/postgresql/15/bin/psql --port={port} -c SHOW port\n"


def test_password_is_quoted_in_sql(tmp_path: Path) -> None:
    hostile = {"nextcloud": f"it's\\:{JINJA}"}
    given = variables(tmp_path, "postgresql", "13", postgresql_passwords=hostile)
    assert f"PASSWORD 'it''s\\:{JINJA}';" in render("postgresql", "password.sql.j2", given)
    assert f"nextcloud:it's\\\\\\:{JINJA}" in render("postgresql", "pgpass.j2", given)


@pytest.mark.parametrize(
    ("role", "name", "variable"),
    [
        ("mail", "relay_password.j2", "mail_relay_password"),
        ("mail", "main.cf.j2", "mail_hostname"),
        ("nginx", "default.conf.j2", "nginx_names"),
        ("nextcloud", "site.conf.j2", "nextcloud_domain"),
        ("base", "journald.conf.j2", "base_journal_max_use"),
    ],
)
def test_jinja_in_a_value_is_never_evaluated(
    role: str, name: str, variable: str, tmp_path: Path
) -> None:
    given = variables(tmp_path, role, "13")
    given |= item(given)
    hostile = {"nginx_names": [JINJA]}
    text = render(role, name, given | {variable: hostile.get(variable, JINJA)})
    assert JINJA in text
    assert "1337" not in text


@pytest.mark.parametrize("release", RELEASES)
def test_framadate_site_serves_only_its_pages(release: str, tmp_path: Path) -> None:
    text = render("framadate", "site.conf.j2", variables(tmp_path, "framadate", release))
    assert "server_name polls.andes.example.org;" in text
    [scripts] = re.findall(r"location ~ \^/\(\?:(index\|.*)\)\\.php\$", text)
    assert "studs" in scripts.split("|")
    assert not {"bandeaux", "buildlang", "compare"} & set(scripts.split("|"))
    for private in ("app", "vendor", "tpl", "locale"):
        assert f"/{private}" not in text
    assert text.count("fastcgi_param HTTP_X_FORWARDED_PROTO https;") == text.count("fastcgi_pass ")


@pytest.mark.parametrize("opened", [False, True])
def test_framadate_s_administration_asks_for_a_login(opened: bool, tmp_path: Path) -> None:
    given = variables(tmp_path, "framadate", "12", framadate_admin_from_outside=opened)
    text = render("framadate", "site.conf.j2", given)
    place = text[text.index("location ^~ /admin/") : text.index("location = /admin ")]
    assert "auth_basic_user_file /etc/framadate/htpasswd;" in place
    assert ("if ($framadate_refused)" in text) is not opened
    assert "install" not in place


@pytest.mark.parametrize(
    ("languages", "default", "offered"),
    [
        (["es_CO", "en"], "es", ["es", "en"]),
        (["ne", "pt_BR"], "en", ["en"]),
        (["en", "fr", "fr_CA"], "en", ["en", "fr"]),
    ],
)
def test_framadate_offers_the_region_s_languages_that_it_has(
    languages: list[str], default: str, offered: list[str], tmp_path: Path
) -> None:
    given = variables(tmp_path, "framadate", "12", framadate_languages=languages)
    text = render("framadate", "config.php.j2", given)
    assert f"const DEFAULT_LANGUAGE = '{default}';" in text
    assert re.findall(r"^    '(\w\w)' => '", text, re.M) == offered


def test_framadate_s_settings_hold_no_password(tmp_path: Path) -> None:
    text = render("framadate", "config.php.j2", variables(tmp_path, "framadate", "13"))
    assert "canary" not in text
    assert "const DB_PASSWORD = '';" in text
    assert "const PURGE_DELAY = 30;" in text


def test_mariadb_has_no_network_and_trusts_socket_owners(tmp_path: Path) -> None:
    given = variables(tmp_path, "mariadb", "12", 4000)
    text = render("mariadb", "chautari.cnf.j2", given)
    assert "\nskip-networking\n" in text
    assert "innodb_buffer_pool_size = 250M" in text
    owned = [{"name": "polls_db", "owner": "framadate"}, {"name": "more", "owner": "framadate"}]
    owned.append({"name": "theirs", "owner": "others"})
    sql = render("mariadb", "database.sql.j2", given | {"mariadb_databases": owned})
    assert "'framadate'@'localhost' IDENTIFIED VIA unix_socket" in sql
    # What reaches beyond is taken away first, and all that the account owns is given back. An
    # underscore in a grant stands for any letter.
    assert sql.splitlines()[-3:] == [
        "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'framadate'@'localhost';",
        r"GRANT ALL PRIVILEGES ON `polls\_db`.* TO 'framadate'@'localhost';",
        "GRANT ALL PRIVILEGES ON `more`.* TO 'framadate'@'localhost';",
    ]


@pytest.mark.parametrize(
    ("row", "whole"),
    [
        (r"polls_db 1 localhost polls\\_db framadate Y Y N Y", True),
        # Further rights: on another database, a table, a routine or a role.
        (r"polls_db 2 localhost polls\\_db framadate Y Y N Y", False),
        # A privilege was taken.
        (r"polls_db 1 localhost polls\\_db framadate Y N N Y", False),
        (r"polls_db 1 localhost polls\\_db framadate2 Y Y N Y", False),
    ],
)
def test_database_is_complete_when_only_its_owner_has_rights(
    row: str, whole: bool, tmp_path: Path
) -> None:
    owned = [{"name": "polls_db", "owner": "framadate"}, {"name": "theirs", "owner": "others"}]
    given = variables(tmp_path, "mariadb", "12", mariadb_databases=owned)
    given["lines"] = [row.replace(" ", "\t")]
    templar = Templar(loader=DataLoader(), variables=given)
    found = templar.template(trust_as_template("{{ lines | select('match', __mariadb_whole) }}"))
    assert bool(list(found)) is whole


def test_mail_without_a_reader_stays_on_the_node(tmp_path: Path) -> None:
    given = variables(tmp_path, "mail", "13", mail_discard=["a@example.org", "b@example.org"])
    text = render("mail", "main.cf.j2", given)
    line = "transport_maps = inline:{ {a@example.org = discard:}, {b@example.org = discard:} }"
    assert f"\n{line}\n" in text
    assert "transport_maps" not in render("mail", "main.cf.j2", given | {"mail_discard": []})


@pytest.mark.parametrize(
    ("answer", "unreached"),
    [
        (
            "requests.exceptions.SSLError: HTTPSConnectionPool(host='acme.example.org', port=443): "
            "Max retries exceeded with url: /directory (Caused by SSLError(1))",
            True,
        ),
        # The order was made: the authority counts from then on.
        (
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='acme.example.org', "
            "port=443): Max retries exceeded with url: /directory/order (Caused by OSError(1))",
            False,
        ),
        ("  Detail: DNS problem: NXDOMAIN looking up A for cloud.andes.example.org", False),
    ],
)
def test_unreachable_authority_counts_as_no_refusal(
    answer: str, unreached: bool, tmp_path: Path
) -> None:
    given = variables(
        tmp_path, "tls", "12", tls_acme_directory="https://acme.example.org/directory",
        __tls_answer={"rc": 1, "stdout_lines": [], "stderr_lines": ["An error occurred:", answer]},
    )  # fmt: skip
    templar = Templar(loader=DataLoader(), variables=given)
    assert templar.template(trust_as_template("{{ __tls_unreached }}")) is unreached
    reason = templar.template(trust_as_template("{{ __tls_reason }}"))
    assert str(reason) == answer.strip().removeprefix("Detail: ")


def policy(name: str, candidate: str) -> str:
    return (
        f"{name}:\n  Installed: (none)\n  Candidate: {candidate}\n  Version table:\n"
        f"     {candidate} 500\n        500 https://example.org stable/main amd64 Packages\n"
    )


@pytest.mark.parametrize("role", ["bigbluebutton", "jitsi"])
def test_unknown_package_is_reported_and_gets_no_other_version(role: str, tmp_path: Path) -> None:
    def find(*paragraphs: str) -> tuple[bool, list[str]]:
        registered = {f"__{role}_policy": {"stdout": "".join(paragraphs).rstrip()}}
        templar = Templar(loader=DataLoader(), variables=given | registered)
        known, needed = (
            templar.template(trust_as_template(f"{{{{ __{role}_{name} }}}}"))
            for name in ("packages_known", "wanted")
        )
        return known, list(needed)

    given = variables(tmp_path, role, "12")
    names = given[f"__{role}_packages"]
    answer = [policy(name, f"1:{number}.0-1") for number, name in enumerate(names)]
    pairs = [f"{name}=1:{number}.0-1" for number, name in enumerate(names)]
    assert find(*answer) == (True, pairs)
    # apt prints nothing for an unknown name.
    assert find() == (False, [])
    assert find(*answer[1:]) == (False, pairs[1:])
    assert find(policy(names[0], "(none)"), *answer[1:]) == (False, pairs[1:])


@pytest.mark.parametrize("service", ["framadate", "nextcloud"])
def test_php_writes_temporary_files_to_the_disk_of_the_service(
    service: str, tmp_path: Path
) -> None:
    folder = f"/var/lib/{service}/tmp"
    given = variables(tmp_path, service, "13") | {
        "php_pool_name": service, "php_pool_user": "www-data", "php_pool_temporary": folder,
        "php_pool_cleaned": [f"/var/lib/{service}/uploads"],
    }  # fmt: skip
    pool = render(service, "pool.conf.j2", given)
    for line in (
        f"php_admin_value[sys_temp_dir] = {folder}", f"env[TMPDIR] = {folder}",
        f"php_admin_value[upload_tmp_dir] = {folder}",
    ):  # fmt: skip
        assert line in pool.splitlines()
    rules = render(service, "tmpfiles.conf.j2", given).splitlines()
    assert rules[-2:] == [
        f"d {folder} 0700 www-data www-data 1d", f"e /var/lib/{service}/uploads - - - 1d",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "disk_mb", "limit"), [("16G", 40960, "10240M"), ("16G", 409600, "16384M"),
                                     ("500M", 40960, "500M")],
)  # fmt: skip
def test_largest_upload_fits_on_the_disk(
    wanted: str, disk_mb: int, limit: str, tmp_path: Path
) -> None:
    given = variables(tmp_path, "nextcloud", "13") | {
        "nextcloud_upload_max": wanted, "__nextcloud_disk": {"stdout_lines": ["1M", str(disk_mb)]},
    }  # fmt: skip
    site = render("nextcloud", "site.conf.j2", given)
    assert f"client_max_body_size {limit};" in site
    assert "client_body_temp_path /var/lib/nextcloud/uploads;" in site
    assert f"php_admin_value[post_max_size] = {limit}\n" in render(
        "nextcloud", "pool.conf.j2", given
    )


@pytest.mark.parametrize(
    ("languages", "shown"),
    [(["pt_BR", "hi"], ["pt", "hi"]), (["qu", "es"], ["es"]), (["qu"], ["en"])],
)
def test_page_of_an_upgrade_is_in_the_languages_of_the_region(
    languages: list[str], shown: list[str], tmp_path: Path
) -> None:
    given = variables(tmp_path, "nginx", "13") | {"nginx_languages": languages}
    page = render("nginx", "unavailable.html.j2", given)
    assert re.findall(r'<section lang="(\w+)">', page) == shown
    assert f'<html lang="{shown[0]}">' in page


def test_sites_answer_503_while_their_program_is_away(tmp_path: Path) -> None:
    given = variables(tmp_path, "nginx", "13")
    snippet = render("nginx", "chautari-unavailable.conf.j2", given)
    assert "error_page 502 503 =503 /chautari-unavailable;" in snippet
    assert "add_header Retry-After 60 always;" in snippet
    include = "include snippets/chautari-unavailable.conf;"
    for role in ("nextcloud", "framadate", "greenlight", "scalelite"):
        given = variables(tmp_path, role, "13") | {"web_site_file": f"{role}.conf"}
        assert include in render(role, "site.conf.j2", given)
    site = render("nextcloud", "site.conf.j2", variables(tmp_path, "nextcloud", "13"))
    assert "if (-f /var/lib/nextcloud/.switching)" in site
    # Nextcloud's own answers to programs in maintenance mode reach them whole.
    assert "fastcgi_intercept_errors" not in site

"""Templates of BigBlueButton: upstream's keys, privacy, relays, addresses, languages."""

import functools
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from templates import ROLES, render, variables, variables_of_role

from chautari.toolkit_yaml import read_toolkit_yaml

ROLE = "bigbluebutton"
DOMAIN = "rooms.andes.example.org"
FACTS = Path(__file__).parents[1] / "fixtures" / "bigbluebutton"
LISTS = {
    "web": "bbb-web.properties",
    "web_low": "bbb-web.properties",
    "html5": "bbb-html5.yml",
    "html5_low": "bbb-html5.yml",
    "sfu": "bbb-webrtc-sfu.yml",
    "sfu_low": "bbb-webrtc-sfu.yml",
    "akka": "bbb-apps-akka.yml",
    "fsesl": "bbb-fsesl-akka.yml",
    "recording": "recording.yml",
    "cron": "cron.properties",
    "graphql": "bbb-graphql-server.env",
}
STRANGERS = re.compile(r"freeswitch\.org|google|bigbluebutton\.org|mconf|gravatar")
LANGUAGES = ("bn", "en", "es", "fr", "hi", "ne", "pt")
Variables = dict[str, Any]


def role_variables(folder: Path, **changed: object) -> Variables:
    found = variables(folder, ROLE, "12", memory_mb=16000)
    network = {"all_ipv4_addresses": ["198.51.100.15"], "all_ipv6_addresses": []}
    found["ansible_facts"] |= network | {"default_ipv4": {"address": "10.0.0.7"}}
    return found | changed


def value(name: str, found: Variables) -> Any:
    return Templar(loader=DataLoader(), variables=found).template(found[name])


def settings(name: str, found: Variables) -> list[Variables]:
    return list(value(f"__bigbluebutton_{name}", found))


def web(found: Variables) -> dict[str, str]:
    """Return the properties as a Java program reads them."""
    lines = render(ROLE, "bbb-web.properties.j2", found).splitlines()
    pairs = [line.partition("=") for line in lines if line and line[0] != "#"]
    return {key: text.encode().decode("unicode_escape") for key, _, text in pairs}


def nested(name: str, found: Variables) -> Any:
    items = settings(name, found)
    if found["bigbluebutton_low_bandwidth"]:
        items += settings(f"{name}_low", found)
    text = render(ROLE, "nested.yml.j2", found | {"__bigbluebutton_items": items})
    return yaml.safe_load(text)


@functools.cache
def upstream_settings(file: str) -> Any:
    """Return upstream's file of settings, parsed."""
    if file.endswith(".yml"):
        return read_toolkit_yaml(FACTS / file)
    return dict(re.findall(r"^([^=\n]+)=(.*)$", (FACTS / file).read_text(), re.M))


def default_of(file: str, key: str) -> Any:
    """Return upstream's default for a key; raise when upstream has no such key."""
    branch = upstream_settings(file)
    for part in key.split(".") if file.endswith(".yml") else [key]:
        branch = branch[part]
    return branch


@pytest.mark.parametrize(("name", "file"), LISTS.items())
def test_setting_has_a_key_of_upstream_and_a_reason(name: str, file: str, tmp_path: Path) -> None:
    found = settings(name, role_variables(tmp_path))
    assert found
    for item in found:
        assert set(item) == {"key", "value", "why"}
        default_of(file, item["key"])
        assert len(item["why"]) > 8, item["key"]
    assert len({item["key"] for item in found}) == len(found)


def test_every_list_of_settings_is_tested() -> None:
    text = (ROLES / ROLE / "vars" / "main.yml").read_text()
    lists = re.findall(r"^__bigbluebutton_(\w+):\n  - [{]?\s*key: ", text, re.M)
    assert sorted(lists) == sorted(LISTS)


@pytest.mark.parametrize(
    ("name", "file"), [("html5_low", "bbb-html5.yml"), ("sfu", "bbb-webrtc-sfu.yml")]
)
def test_value_has_the_type_of_upstream_default(name: str, file: str, tmp_path: Path) -> None:
    for item in settings(name, role_variables(tmp_path)):
        default = default_of(file, item["key"])
        assert isinstance(item["value"], type(default)), item["key"]
        if isinstance(default, dict):
            assert set(item["value"]) <= set(default), item["key"]


def test_camera_profiles_keep_upstream_names(tmp_path: Path) -> None:
    ours = value("__bigbluebutton_cameras", role_variables(tmp_path))
    upstream = default_of("bbb-html5.yml", "public.kurento.cameraProfiles")
    assert [item["id"] for item in ours] == [item["id"] for item in upstream]
    assert [item["id"] for item in ours if item.get("default")] == ["low"]
    for here, there in zip(ours, upstream, strict=True):
        assert here["bitrate"] < there["bitrate"], here["id"]


@pytest.mark.parametrize("recordings", [False, True])
def test_recording_is_off_unless_the_region_enables_it(recordings: bool, tmp_path: Path) -> None:
    changed = {"bigbluebutton_recordings": recordings, "bigbluebutton_language": "es"}
    found = web(role_variables(tmp_path, **changed))
    assert found["disableRecordingDefault"] == str(not recordings).lower()
    assert found["breakoutRoomsRecord"] == found["defaultKeepEvents"] == "false"
    assert found["autoStartRecording"] == "false"
    text = found["defaultWelcomeMessageFooter"]
    assert ("grabar" if recordings else "no se graban") in text


def test_welcome_text_is_shown_and_never_evaluated(tmp_path: Path) -> None:
    changed = {
        "bigbluebutton_recordings": True,
        "bigbluebutton_consent": "Lee esto: <b>se graba</b>\nGracias",
        "bigbluebutton_welcome": 'स्वागत छ = %%CONFNAME%% \\ "así"',
    }
    found = web(role_variables(tmp_path, **changed))
    footer = found["defaultWelcomeMessageFooter"]
    assert footer == "Lee esto: &lt;b&gt;se graba&lt;/b&gt;<br>Gracias"
    assert "bigbluebutton.web.serverURL" in found
    text = render(ROLE, "bbb-web.properties.j2", role_variables(tmp_path, **changed))
    assert text.isascii()
    [line] = [line for line in text.splitlines() if line.startswith("defaultWelcomeMessage=")]
    assert "\\u0938" in line and "%%CONFNAME%% \\\\ " in line


@pytest.mark.parametrize("language", [*LANGUAGES, "de"])
def test_client_starts_in_the_region_s_language(language: str, tmp_path: Path) -> None:
    texts = variables_of_role(ROLE, "vars")["__bigbluebutton_texts"]
    assert tuple(sorted(texts)) == LANGUAGES
    found = role_variables(tmp_path, bigbluebutton_language=language)
    slides = ET.fromstring(render(ROLE, "welcome.fodp.j2", found).encode())
    expected = texts.get(language, texts["en"])
    shown = [item.text for item in slides.iter("{urn:oasis:names:tc:opendocument:xmlns:text:1.0}p")]
    assert shown == [expected["slides"]["title"], *expected["slides"]["lines"], DOMAIN]
    assert "%%CONFNAME%%" in expected["welcome"]
    assert {"welcome", "consent", "unrecorded", "slides"} == set(expected)


def test_settings_name_only_the_region_s_relays(tmp_path: Path) -> None:
    text = render(ROLE, "turn-stun-servers.xml.j2", role_variables(tmp_path))
    beans = ET.fromstring(text.encode())
    values = [
        item.get("value") or "" for item in beans.iter() if item.tag.endswith("constructor-arg")
    ]
    urls = [item for item in values if ":" in item]
    assert {url.split(":")[1] for url in urls} == {DOMAIN}
    assert f"turns:{DOMAIN}:443?transport=tcp" in urls
    assert sum(item == "canary-relay-0123456" for item in values) == 3


@pytest.mark.parametrize("low", [False, True])
def test_settings_name_no_third_party(low: bool, tmp_path: Path) -> None:
    found = role_variables(tmp_path, bigbluebutton_low_bandwidth=low)
    texts = [
        *(render(ROLE, name, found) for name in ("bbb-web.properties.j2", "site.conf.j2")),
        yaml.safe_dump(nested("html5", found)),
        yaml.safe_dump(nested("sfu", found)),
        render(ROLE, "apply-config.sh.j2", found),
    ]
    for text in texts:
        assert not STRANGERS.search(text), STRANGERS.search(text)


def test_secret_is_the_same_in_every_file(tmp_path: Path) -> None:
    found = role_variables(tmp_path)
    assert web(found)["securitySalt"] == "Canary" * 8
    akka = render(ROLE, "akka.conf.j2", found | {"__bigbluebutton_items": settings("akka", found)})
    assert f'services.sharedSecret="{"Canary" * 8}"\n' in akka
    assert f'services.bbbWebAPI="https://{DOMAIN}/bigbluebutton/api"\n' in akka
    assert 'checkSumAlgorithmForBreakouts="sha256"' in akka


def test_weak_checksums_are_accepted_only_for_programs_of_the_region(
    tmp_path: Path,
) -> None:
    defaults = variables_of_role(ROLE, "defaults")["bigbluebutton_checksums"]
    found = web(role_variables(tmp_path, bigbluebutton_checksums=defaults))
    assert found["supportedChecksumAlgorithms"] == "sha256,sha384,sha512"


def test_freeswitch_and_its_clients_share_one_password(tmp_path: Path) -> None:
    found = role_variables(tmp_path)
    items = settings("fsesl", found)
    text = render(ROLE, "akka.conf.j2", found | {"__bigbluebutton_items": items})
    # bbb-conf reads the text after the first password=" in the file.
    first = next(line for line in text.splitlines() if "password" in line)
    password = re.sub(r'".*', "", re.sub(r'.*="', "", first))
    assert nested("sfu", found)["freeswitch"]["esl_password"] == password
    assert re.fullmatch(r"[0-9a-f]{32}", password)


def test_public_address_is_announced_behind_a_router(tmp_path: Path) -> None:
    found = role_variables(tmp_path)
    found["ansible_facts"]["all_ipv4_addresses"] = ["10.0.0.7"]
    media = nested("sfu", found)["mediasoup"]
    assert media["webrtc"]["listenIps"] == [{"ip": "0.0.0.0", "announcedIp": "198.51.100.15"}]
    assert media["plainRtp"]["listenIp"]["announcedIp"] == "10.0.0.7"
    script = render(ROLE, "apply-config.sh.j2", found)
    assert "variable external_rtp_ip 198.51.100.15\n" in script
    assert "variable local_ip_v4 10.0.0.7\n" in script
    assert "server coturn 10.0.0.7:3478" in render(ROLE, "haproxy.cfg.j2", found)
    assert "ip daddr 198.51.100.15 dnat to 10.0.0.7" in render(ROLE, "own-address.nft.j2", found)


def test_ipv6_is_announced_only_where_the_machine_has_it(tmp_path: Path) -> None:
    found = role_variables(tmp_path, bigbluebutton_address6="2001:db8::12")
    assert len(nested("sfu", found)["mediasoup"]["webrtc"]["listenIps"]) == 1
    found["ansible_facts"]["all_ipv6_addresses"] = ["2001:db8::12"]
    addresses = nested("sfu", found)["mediasoup"]["webrtc"]["listenIps"]
    assert addresses[0] == {"ip": "2001:db8::12"}
    assert "bind [::]:443 v6only ssl" in render(ROLE, "haproxy.cfg.j2", found)
    without = {"results": [{"stat": {"exists": False}} for _ in range(4)]}
    text = render(ROLE, "haproxy.cfg.j2", found | {"__bigbluebutton_there": without})
    assert "[::]" not in text


@pytest.mark.parametrize(
    ("template", "lines"),
    [
        ("freeswitch.unit.j2", ["CPUSchedulingPolicy=", "IOSchedulingClass="]),
        ("bbb-webrtc-sfu.unit.j2", ["CPUSchedulingPolicy="]),
    ],
)
def test_units_get_realtime_priority_only_where_allowed(
    template: str, lines: list[str], tmp_path: Path
) -> None:
    assert not [line for line in lines if line in render(ROLE, template, role_variables(tmp_path))]
    text = render(ROLE, template, role_variables(tmp_path, __bigbluebutton_scheduling={"rc": 214}))
    assert [line for line in lines if line in text.splitlines()] == lines


def test_proxy_binding_is_dropped_only_where_impossible(tmp_path: Path) -> None:
    assert "BindReadOnlyPaths" not in render(ROLE, "haproxy.unit.j2", role_variables(tmp_path))
    text = render(
        ROLE, "haproxy.unit.j2", role_variables(tmp_path, __bigbluebutton_binding={"rc": 226})
    )
    assert "BindReadOnlyPaths=\n" in text


@pytest.mark.parametrize(("cores", "limit"), [(4, False), (8, True)])
def test_limit_of_open_files_grows_with_the_cores(cores: int, limit: bool, tmp_path: Path) -> None:
    found = role_variables(tmp_path)
    found["ansible_facts"]["processor_vcpus"] = cores
    assert ("LimitNOFILE=8192" in render(ROLE, "bbb-web.unit.j2", found)) is limit


def test_site_keeps_the_lines_that_upstream_scripts_read(tmp_path: Path) -> None:
    text = render(ROLE, "site.conf.j2", role_variables(tmp_path))
    # The package's script writes the machine's address where two blanks follow the word.
    assert re.findall(r"server_name( +)", text) == [" "]
    assert "listen 127.0.0.1:81 proxy_protocol;" in text
    assert "listen 127.0.0.1:82 http2 proxy_protocol;" in text
    assert "include /etc/bigbluebutton/nginx/*.nginx;" in text
    [log] = re.findall(r"log_format \w+ '(.*)';", text)
    assert "$request " not in log and "$args" not in log and "request_uri" not in log


def test_properties_have_the_line_that_bbb_conf_adds(tmp_path: Path) -> None:
    assert web(role_variables(tmp_path))["bigbluebutton.web.logoutURL"] == "default"


@pytest.mark.parametrize("office", ["soffice", "docker"])
def test_script_for_bbb_conf_is_valid_bash(office: str, tmp_path: Path) -> None:
    text = render(ROLE, "apply-config.sh.j2", role_variables(tmp_path, bigbluebutton_office=office))
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    assert ("office-to-pdf" in text) is (office == "soffice")
    assert "$${external_rtp_ip}" in text


def test_every_file_gives_the_reason_of_each_setting(tmp_path: Path) -> None:
    found = role_variables(tmp_path)
    text = render(ROLE, "bbb-web.properties.j2", found)
    for item in settings("web", found):
        assert f"# {item['why']}\n{item['key']}=" in text


def test_nginx_and_turn_leave_port_443_to_the_proxy(tmp_path: Path) -> None:
    found = role_variables(tmp_path) | variables_of_role("nginx", "vars")
    found |= {"nginx_acme_webroot": "/var/lib/chautari-acme"}
    assert found["nginx_https"] is False
    text = render("nginx", "default.conf.j2", found)
    assert "443" not in text
    assert DOMAIN in text
    found |= variables_of_role("turn", "defaults") | variables_of_role("turn", "vars")
    found |= role_variables(tmp_path)
    relay = render("turn", "turnserver.conf.j2", found)
    assert "\nno-tls\n" in relay and "no-tcp\n" not in relay
    assert "min-port=32769\nmax-port=65535\n" in relay

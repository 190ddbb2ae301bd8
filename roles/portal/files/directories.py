"""Descriptions of the region for existing directories: nodeinfo and chatonsinfo."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pages import text_in_language

Data = Mapping[str, Any]
SCHEMA = "http://nodeinfo.diaspora.software/ns/schema/2.1"
PROTOCOL = "ChatonsInfos-0.5"
OCM_SERVICE = "nextcloud"


def nodeinfo_links(content: Data) -> str:
    """Return the document that names where nodeinfo is."""
    links = [{"rel": SCHEMA, "href": f"{content['url']}nodeinfo/2.1"}]
    return json.dumps({"links": links}) + "\n"


def nodeinfo(content: Data) -> str:
    """Return nodeinfo 2.1.

    Its list of protocols has none that these services speak among regions, so `protocols` is empty.
    """
    title, _ = text_in_language(
        content["title"], next(iter(content["languages"])), content["languages"]
    )
    about, _ = text_in_language(
        content["about"], next(iter(content["languages"])), content["languages"]
    )
    return (
        json.dumps(
            {
                "version": "2.1",
                "software": {"name": "chautari", "version": content["version"]},
                "protocols": [],
                "services": {"inbound": [], "outbound": []},
                "openRegistrations": False,
                "usage": {"users": {}},
                "metadata": {
                    "nodeName": title,
                    "nodeDescription": about,
                    "languages": list(content["languages"]),
                    "contact": content["contact"],
                    "services": [
                        {"name": item["name"], "app": item["app"], "url": item["url"]}
                        for item in content["services"]
                    ],
                    "descriptor": f"{content['url']}.well-known/chautari/region.json",
                },
            },
            ensure_ascii=False,
            indent=1,
        )
        + "\n"
    )


def ocm_providers(content: Data) -> str:
    """Return the servers of the peers that exchange files, as the app Contacts reads them.

    This is the directory service of Open Cloud Mesh (appendix C of its draft), which lists whom
    people may send invitations to.
    """
    title, _ = text_in_language(
        content["title"], next(iter(content["languages"])), content["languages"]
    )
    servers = [
        {"displayName": peer["region"], "url": item["url"].rstrip("/")}
        for peer in content["peers"]
        for item in peer["services"]
        if item["service"] == OCM_SERVICE
    ]
    return (
        json.dumps({"federation": title, "servers": servers}, ensure_ascii=False, indent=1) + "\n"
    )


def properties(values: Data) -> str:
    """Return a file of properties: one line a key, without line breaks in the values."""
    lines = [f"{key} = {' '.join(str(value).split())}" for key, value in values.items() if value]
    return "\n".join([*lines, ""])


def chatonsinfo_files(content: Data, texts: Data, state: Data) -> dict[str, str]:
    """Return the file of the region and one for each service, by name."""
    language = next(iter(content["languages"]))
    moment = datetime.fromtimestamp(state["checked"], UTC).strftime("%Y-%m-%dT%H:%M:%S")
    header = {"file.protocol": PROTOCOL, "file.datetime": moment, "file.generator": "Chautari"}
    title, _ = text_in_language(content["title"], language, content["languages"])
    about, _ = text_in_language(content["about"], language, content["languages"])
    base = f"{content['url']}.well-known/chatonsinfos"
    organization = {
        "file.class": "organization",
        **header,
        "organization.name": title,
        "organization.description": about or title,
        "organization.website": content["url"],
        "organization.contact.email": content["contact"],
        "organization.country.code": content["country"],
        "organization.status.level": "ACTIVE",
        **{
            f"subs.{item['name']}": f"{base}/{item['name']}.properties"
            for item in content["services"]
        },
    }
    files = {"organization.properties": properties(organization)}
    for item in content["services"]:
        responds = state["services"].get(item["name"], {}).get("responds")
        own = texts["services"].get(item["name"], {})
        service = {
            "file.class": "service",
            **header,
            "service.name": own.get("name", item["app"]),
            "service.description": own.get("purpose", item["app"]),
            "service.website": item["url"] or content["url"],
            "service.contact.email": content["contact"],
            "service.status.level": "OK" if responds else "ERROR",
            "service.registration": "None" if item["account"] == "none" else "Member",
            "service.registration.load": "OPEN",
            "service.install.type": "TOOLING",
            "software.name": item["app"],
            "host.country.code": content["country"],
        }
        files[f"{item['name']}.properties"] = properties(service)
    return files

"""Variables of the roles that run upstream's containers: containers, greenlight and scalelite."""

from __future__ import annotations

from chautari.region.catalog import Artifact
from chautari.region.images import IMAGES, chosen
from chautari.region.model import Region
from chautari.render.context import NodeContext, Variables

REDIS_PORT = 6379
PORTS = {"greenlight": 5050, "scalelite": 3000}
SMTP_PORT = 25


def image(context: NodeContext, service: str) -> Artifact:
    """Return the image of `service`: the sandbox's, or the one that the region pinned."""
    if found := context.endpoints.artifacts.get(service):
        return found
    version = getattr(context.region.services.of(service), "version", None)
    return chosen(service, version, context.inventory.releases)


def reference(artifact: Artifact) -> str:
    """Return an image as the container engine takes it: nothing but its digest decides."""
    return f"{artifact.url}@sha256:{artifact.sha256}"


def services_of(region: Region, node: str) -> list[str]:
    """Return the services of `node` that run in containers."""
    return [service for service in IMAGES if service in region.nodes[node].services]


def containers(context: NodeContext) -> Variables:
    """Return the images to have, and registries without TLS: only a sandbox has one."""
    services = services_of(context.region, context.node)
    images = [image(context, service) for service in services]
    doubles = [item for item in images if context.endpoints.is_double(item.name)]
    return {
        "containers_images": [reference(item) for item in images],
        # The sandbox's nodes are containers themselves, on a file system without overlay.
        "containers_driver": "vfs" if doubles else "overlay",
        "containers_plain_registries": sorted({item.url.split("/")[0] for item in doubles}),
    }


def redis(context: NodeContext) -> Variables:
    """Return that Redis answers on the loopback, where containers ask it."""
    return {"redis_port": REDIS_PORT, "redis_socket_group_members": []}


def greenlight(context: NodeContext) -> Variables:
    """Return where people find Greenlight, and which server opens its meetings."""
    region, settings = context.region, context.region.services.of_greenlight()
    server = region.fqdn(region.services.of_bigbluebutton().host)
    return {
        "greenlight_image": reference(image(context, "greenlight")),
        "greenlight_version": image(context, "greenlight").version,
        "greenlight_domain": region.fqdn(settings.host),
        "greenlight_port": PORTS["greenlight"],
        "greenlight_endpoint": f"https://{server}/bigbluebutton/api/",
        "greenlight_registration": settings.registration,
        "greenlight_admin_email": settings.admin or region.contact,
        "greenlight_language": region.languages[0].split("_")[0],
        "greenlight_mail_from": region.mail.from_ if region.mail else "",
        "greenlight_redis_port": REDIS_PORT,
    }


def scalelite(context: NodeContext) -> Variables:
    """Return the pool's name and its servers."""
    region = context.region
    return {
        "scalelite_image": reference(image(context, "scalelite")),
        "scalelite_version": image(context, "scalelite").version,
        "scalelite_domain": region.public_name("scalelite", context.node),
        "scalelite_port": PORTS["scalelite"],
        "scalelite_servers": [
            {
                "name": name,
                "url": f"https://{region.public_name('bigbluebutton', name)}/bigbluebutton/api",
            }
            for name in region.nodes_running("bigbluebutton")
        ],
        "scalelite_redis_port": REDIS_PORT,
    }


def shaped_secrets(region: Region, node: str, secrets: Variables) -> Variables:
    """Return the node's secrets as the container roles take them."""
    services = services_of(region, node)
    if not services:
        return {}
    found: Variables = {"redis_password": secrets.pop("containers_redis_password")}
    for service in services:
        found[f"{service}_redis_password"] = found["redis_password"]
    if "greenlight" in services:
        pool = secrets["scalelite_secret"] if region.pooled else secrets["bigbluebutton_secret"]
        found["greenlight_server_secret"] = pool
    if "scalelite" in services:
        found["scalelite_server_secret"] = secrets["bigbluebutton_secret"]
    return found

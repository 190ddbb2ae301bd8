"""The texts of `deploy capacity`."""

from __future__ import annotations

from chautari.language import Text, Texts, _

KINDS: Texts = {
    "people": "people in meetings at the same time",
    "people_in_one_meeting": "people in one meeting",
    "accounts": "accounts",
    "storage_gb": "GB of files",
}
RESOURCES: Texts = {
    "cores": "processor cores",
    "memory": "memory",
    "disk": "free disk space",
    "network": "speed of the connection",
    "software": "the software",
}
NOT_KNOWN: Text = "not known"
ESTIMATES: Text = (
    "~ marks an estimate: a value that was scaled to this machine, or that depends on "
    "an assumption."
)


def amount_text(number: int | None, is_estimate: bool = False) -> str:
    """Return a number as people read it."""
    if number is None:
        return _(NOT_KNOWN)
    return f"~{number:,}" if is_estimate else f"{number:,}"


def unknown_resources_text(node: str, resources: list[str]) -> str:
    """Return what is not known of a machine, and how to say it."""
    names = ", ".join(_(RESOURCES[resource]) for resource in resources)
    return _(
        "These values are not known for {node}: {names}. Because of this, the real numbers "
        "may be smaller.",
        node=node,
        names=names,
    )

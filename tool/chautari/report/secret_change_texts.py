"""What reports say about changes of secrets that are not complete."""

from __future__ import annotations

from chautari.language import Text, _
from chautari.report.message_templates import Data
from chautari.report.text_format import to_one_line

NODE_TITLE: Text = "The node has the new secrets"
SECRET_TITLE: Text = "The secret was changed after an operator left"


def node_deploy_reason_text(data: Data) -> str:
    """Return why a node must be deployed."""
    return to_one_line(
        _("{node} still has old secrets ({why}).", node=data["node"], why=_(data["why"]))
    )


def node_deploy_advice(data: Data) -> str:
    """Return the command that sends the new secrets."""
    return _(
        "deploy it: deploy region {region} --node {node}", region=data["region"], node=data["node"]
    )


def secret_change_reason_text(data: Data) -> str:
    """Return why a secret must be changed."""
    return to_one_line(
        _(
            "You must change {secret} ({meaning}) yourself ({why}).",
            secret=data["secret"],
            meaning=_(data["meaning"]),
            why=_(data["why"]),
        )
    )


def secret_change_advice(data: Data) -> str:
    """Return how a person changes a secret."""
    command = data["command"]
    if data["rotation"] == "named":
        command = f"deploy secrets rotate {data['region']} {data['secret']}"
    return _("{note} Then run: {command}", note=_(data["note"]), command=command).strip()

"""Changes of secrets that are not complete: they keep a region from being up to date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from chautari.deploy.node_run import Mode
from chautari.deploy.request import DeployContext
from chautari.errors import ChautariError
from chautari.report import secret_change_texts
from chautari.report.model import CheckResult, NodeReport
from chautari.secrets.completion import update_secrets
from chautari.secrets.private_keys import private_keys_to_try
from chautari.secrets.required_secrets import required_secrets
from chautari.secrets.rotation import nodes_with_secrets
from chautari.secrets.store import SecretStore


def open_changes(
    context: DeployContext, nodes: Sequence[NodeReport], mode: Mode
) -> list[CheckResult]:
    """Return a failed check for each change that is not complete.

    After a deploy, the nodes that got their new secrets are removed from the list in secrets.age.
    """
    if mode not in ("deploy", "verify") or context.request.detach:
        return []
    secrets = context.secrets
    done = {node.name for node in nodes if node.state == "converged" and node.ok}
    if mode == "deploy" and done & set(secrets.undeployed):
        secrets = _try_to_save_nodes_as_deployed(context, done)
    return [*_undeployed_nodes(context, secrets), *_due_secrets(context, secrets)]


def _try_to_save_nodes_as_deployed(context: DeployContext, done: set[str]) -> SecretStore:
    def change(opened: SecretStore) -> SecretStore:
        # Another operator may have changed a secret since this deploy read them.
        names = opened.names
        same = names == context.secrets.names and all(
            opened[name] == context.secrets[name] for name in names
        )
        left = {node: why for node, why in opened.undeployed.items() if node not in done}
        return opened.with_undeployed(left) if same else opened

    extra = [key for keys in context.endpoints.operators.values() for key in keys]
    identities = private_keys_to_try(context.request.identities, context.endpoints.ssh_key)
    with suppress(ChautariError, OSError):  # the report of the deploy matters more
        return update_secrets(context.loaded_region, identities, extra, change)
    return context.secrets


def _undeployed_nodes(context: DeployContext, secrets: SecretStore) -> Iterator[CheckResult]:
    region = context.loaded_region.region
    for node, why in secrets.undeployed.items():
        if node not in region.nodes:
            continue
        data = {"node": node, "why": why, "region": region.region}
        yield CheckResult(
            node, "base", "new_secrets_deployed", "failed", secret_change_texts.NODE_TITLE,
            message=secret_change_texts.node_deploy_reason_text(data),
            advice=secret_change_texts.node_deploy_advice(data),
        )  # fmt: skip


def _due_secrets(context: DeployContext, secrets: SecretStore) -> Iterator[CheckResult]:
    region = context.loaded_region.region
    for spec in required_secrets(region):
        if spec.name not in secrets.due:
            continue
        nodes = nodes_with_secrets(region, {spec.name}) or tuple(region.nodes)
        data = {
            "secret": spec.name, "meaning": spec.meaning, "why": secrets.due[spec.name],
            "region": region.region, "note": spec.rotation_note, "rotation": spec.rotation.value,
            "command": spec.set_command(region.region),
        }  # fmt: skip
        yield CheckResult(
            nodes[0], "base", f"secret_{spec.name}", "failed", secret_change_texts.SECRET_TITLE,
            message=secret_change_texts.secret_change_reason_text(data),
            advice=secret_change_texts.secret_change_advice(data),
        )  # fmt: skip

"""The stages of `deploy region`, `plan`, `verify` and `prepare`, in order, on one screen.

    context ─ survey ─ prepare ─ converge ─ outside checks ─ report

Each stage takes and returns one typed value; the failure of one node keeps the other results.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from chautari.deploy import region_report, unfinished_secret_changes
from chautari.deploy.node_run import (
    Mode,
    converge_and_check_nodes,
    make_prepared_node_runs,
    reports_after_failed_canary,
)
from chautari.deploy.own_accounts import try_own_accounts
from chautari.deploy.request import (
    DeployContext,
    Listener,
    Request,
    ensure_context,
    pin_new_host_keys_temporarily,
)
from chautari.prepare import child_process
from chautari.report.model import RegionReport
from chautari.ssh.runner_client import new_run_id
from chautari.ssh.target import ssh_targets

Say = Callable[[str], None]


def deploy(request: Request, tell: Listener, say: Say) -> RegionReport:
    """Make the region match its `region.yml`, check it and report; or only download for that."""
    mode: Mode = "download" if request.download_only else "deploy"
    return _run_stages(ensure_context(request, say), tell, mode)


def verify(request: Request, tell: Listener, say: Say) -> RegionReport:
    """Run all checks of the region, inside and outside, and report; nothing is changed."""
    return _run_stages(ensure_context(request, say, save_secrets=False), tell, "verify")


def plan(request: Request, tell: Listener, say: Say) -> RegionReport:
    """Report what a deploy would run, why, and what it would change; nothing is changed."""
    with pin_new_host_keys_temporarily(ensure_context(request, say, save_secrets=False)) as context:
        return _run_stages(context, tell, "plan")


def prepare_nodes(request: Request, tell: Listener, say: Say) -> RegionReport:
    """Prepare the region's machines for Ansible; nothing is converged."""
    context, began = ensure_context(request, say), time.monotonic()
    report = region_report.new_report(context.request, context.endpoints)
    region, resolver = context.loaded_region.region, context.endpoints.resolver
    reached = ssh_targets(
        context.loaded_region, context.endpoints, request.node_names(), request.identities
    )
    found = child_process.run_preflight_and_prepare(
        region, reached, tell, "adopt", resolver, request.parallel
    )
    report.nodes = list(found.values())
    return region_report.finalize_report(report, context, "prepare", began)


def _run_stages(context: DeployContext, tell: Listener, mode: Mode) -> RegionReport:
    report, began = region_report.new_report(context.request, context.endpoints), time.monotonic()
    for names in context.request.canary_batches():
        if not report.ok:
            report.nodes += reports_after_failed_canary(context, names)
            continue
        runs = make_prepared_node_runs(context, names, mode, new_run_id(), tell)
        report.checks += converge_and_check_nodes(runs)
        try_own_accounts(runs)
        report.nodes += [run.report for run in runs]
    report.checks += unfinished_secret_changes.open_changes(context, report.nodes, mode)
    return region_report.finalize_report(report, context, mode, began)

"""Print how the restores of a command ended."""

from __future__ import annotations

from collections.abc import Sequence

from chautari.backup import restore
from chautari.cli.json_output import print_json
from chautari.cli.output import echo
from chautari.deploy.request import Request
from chautari.language import _
from chautari.report import jsonreport, summary, terminal
from chautari.report.model import RegionReport


def print_outcomes(
    outcomes: Sequence[restore.NodeOutcome],
    report: RegionReport | None,
    as_json: bool,
    request: Request,
    *,
    with_kept: bool = True,
) -> None:
    """Print what was restored, and what the checks found; old data only `with_kept`."""
    region = request.loaded_region.region.region
    if as_json:
        checks = None if report is None else jsonreport.report_object(report)
        ok = all(item.ok for item in outcomes) and (report is None or report.ok)
        restores = [outcome.as_object() for outcome in outcomes]
        print_json({"ok": ok, "restores": restores, "report": checks})
        return
    for outcome in outcomes:
        for line in _outcome_lines(outcome, region, with_kept=with_kept):
            echo(line)
    if report is not None:
        terminal.print_report(report) if not report.ok else echo(summary.verdict_sentence(report))


def _outcome_lines(outcome: restore.NodeOutcome, region: str, *, with_kept: bool) -> list[str]:
    result = outcome.result
    if result is None or not result.ok:
        undone = _(" Nothing was changed.") if result is not None else ""
        lines = [
            _(
                "{node}: not restored.{undone} {reason}",
                node=outcome.node,
                undone=undone,
                reason=outcome.reason,
            )
        ]
        fix = outcome.fix.replace("REGION", region)
        return [*lines, _("  Fix: {fix}", fix=fix)] if fix else lines
    figures = result.figures
    lines = [
        _(
            "{node}: restored {services} from {archive} ({target}).",
            node=outcome.node,
            services=", ".join(result.services),
            archive=result.archive,
            target=result.target,
        ),
        _(
            "  {files:,} files and {rows:,} rows in {tables:,} tables are the same as in the "
            "backup. The services were paused for {paused_seconds:.0f} s.",
            files=figures.files,
            rows=figures.rows,
            tables=figures.tables,
            paused_seconds=figures.paused_seconds,
        ),
    ]
    if result.kept and with_kept:
        lines.append(_("  The old data is kept:"))
        lines += [f"    {path}" for path in result.kept.paths]
        lines += [
            _("    database {db}_before_{id}", db=db, id=result.id)
            for __, db in result.kept.databases
        ]
        lines.append(
            _(
                "  To delete it: deploy restore {region} --clean --node {node}",
                region=region,
                node=outcome.node,
            )
        )
    return lines

"""`esent verify`: every checksum and structure of a database, or of everything in a directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from esent.api.progress import progress
from esent.cli.console import json_option, print_json
from esent.pages.header import DatabaseState
from esent.tools.info import STATES, is_log
from esent.tools.verify import Finding, Severity, VerifyReport, verify_database
from esent.tools.verify_directory import DirectoryReport, verify_directory
from esent.tools.verify_logs import verify_log

SHOWN_FINDINGS = 20


@click.command("verify", short_help="Check every page, log and index entry.")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--keys/--no-keys", default=True, help="Make the keys of every record anew and compare them with the indexes.")
@json_option
def command(path: Path, keys: bool, as_json: bool) -> None:
    """Verify PATH: a database, a log, or a directory with databases, logs and checkpoint.

    Reads every page and every log segment and writes nothing. The exit status is 0 only if everything is well: no damage, no
    dirty database outside of a backup set, no log missing that a database needs.
    """
    with progress(f"verifying {path.name}", quiet=as_json) as advance:
        if path.is_dir():
            directory = verify_directory(path, keys=keys, progress=advance)
            ok, value, lines = directory.ok, _directory_json(directory), _directory_lines(directory)
        elif is_log(path):
            findings = verify_log(path)
            ok = not any(finding.severity is Severity.ERROR for finding in findings)
            value, lines = {"path": str(path), "ok": ok, "findings": _findings_json(findings)}, list(map(str, findings))
        else:
            report = verify_database(path, keys=keys, progress=advance)
            dirty = report.state == DatabaseState.DIRTY_SHUTDOWN and not report.backup_copy
            ok = report.ok and not dirty
            value, lines = _database_json(report) | {"ok": ok}, _database_lines(report)
            if dirty:
                lines.append(f"{path.name} is dirty: verify its directory to see which logs bring it clean")
    if as_json:
        print_json(value)
    else:
        for line in lines:
            click.echo(line)
        click.echo(f"{path}: {'well' if ok else 'NOT well'}")
    if not ok:
        raise SystemExit(1)


def _database_lines(report: VerifyReport) -> list[str]:
    state = STATES.get(report.state, str(report.state)) if isinstance(report.state, DatabaseState) else str(report.state)
    # what is wrong with certainty first; a dirty database has many warnings that recovery will settle
    ordered = sorted(report.findings, key=lambda finding: finding.severity is not Severity.ERROR)
    lines = list(map(str, ordered[:SHOWN_FINDINGS]))
    rest = len(ordered) - len(lines) + report.suppressed
    if rest:
        lines.append(f"... and {rest} more findings (--json lists them)")
    lines.append(
        f"{report.path.name}: {state}; {report.pages_seen} pages of {report.page_size} bytes, "
        f"{report.bad_checksums} wrong checksums, {report.correctable_checksums} corrected, {report.uninitialized_pages} never "
        f"written; {report.trees} trees; {report.entries_compared} index entries compared with records; "
        f"{report.errors} errors, {report.warnings} warnings"
    )
    return lines


def _directory_lines(report: DirectoryReport) -> list[str]:
    lines = [line for database in report.databases for line in _database_lines(database)]
    lines += map(str, report.findings)
    lines += report.verdicts
    if report.streams:
        lines.append(f"log streams: {', '.join(report.streams)}")
    return lines


def _findings_json(findings: list[Finding]) -> list[dict[str, Any]]:
    return [
        {
            "path": str(finding.path),
            "page": finding.page,
            "offset": finding.offset,
            "severity": str(finding.severity),
            "text": finding.text,
        }
        for finding in findings
    ]


def _database_json(report: VerifyReport) -> dict[str, Any]:
    return {
        "path": str(report.path),
        "ok": report.ok,
        "state": int(report.state),
        "page_size": report.page_size,
        "backup_copy": report.backup_copy,
        "pages": report.pages_seen,
        "bad_checksums": report.bad_checksums,
        "correctable_checksums": report.correctable_checksums,
        "uninitialized_pages": report.uninitialized_pages,
        "trees": report.trees,
        "entries_compared": report.entries_compared,
        "errors": report.errors,
        "warnings": report.warnings,
        "findings": _findings_json(report.findings),
    }


def _directory_json(report: DirectoryReport) -> dict[str, Any]:
    return {
        "path": str(report.path),
        "ok": report.ok,
        "backup_set": report.is_backup,
        "databases": [_database_json(database) for database in report.databases],
        "log_streams": report.streams,
        "findings": _findings_json(report.findings),
        "verdicts": report.verdicts,
    }

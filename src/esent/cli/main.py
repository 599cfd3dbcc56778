"""The `esent` command: one module a command, loaded when it is called.

Exit status: 0 done; 1 the thing asked about is not well, or what was asked could not be done; 2 wrong use; 130 interrupted.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys

import click

from esent.errors import JetError

COMMANDS = (
    "backup", "carve", "copy", "defrag", "demo", "dump", "export", "info", "recover", "repair", "restore", "stop-backup",
    "tables", "verify",
)  # fmt: skip


class Commands(click.Group):
    """Finds `esent.cli.NAME` when NAME is called for, so that `esent info` does not load what only `esent backup` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"esent.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from esent.version import VERSION, build_kind

    click.echo(f"esent {VERSION} ({build_kind()})")
    ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version and exit."
)
def cli() -> None:
    """Look into, verify, back up, restore and recover ESE (ESENT, "JET Blue") databases."""


def _give_up_output() -> None:
    """Let what is still buffered go nowhere, so that the end of the process does not fail over it once more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs a command and leaves with its exit status."""
    if sys.stdout is None:  # closed by the caller; what is said must go somewhere
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the rest of the process
    try:
        try:
            status = cli.main(arguments, prog_name="esent", standalone_mode=False)
        finally:
            sys.stdout.flush()  # here, where a failure can still be told
    except click.ClickException as problem:
        problem.show()
        status = problem.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        status = 130
    except JetError as problem:
        click.echo(f"esent: {problem}", err=True)
        status = 1
    except BrokenPipeError:
        # the reader of our output has gone, as `head` does; nothing more can be said to it
        sys.stderr.close()
        status = 0
    except OSError as problem:
        # of our own output (a full disk), or of a file outside of the engine; the engine's own are JetErrors
        click.echo(f"esent: {problem}", err=True)
        _give_up_output()
        status = 1
    sys.exit(status if isinstance(status, int) else 0)

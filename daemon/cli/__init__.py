"""The command `sovits-daemon`.

Exit codes: 0 ok, 1 failed, 2 wrong usage or settings, 3 nothing to do, 4 the service is not running.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

COMMANDS = {
    "run": ("daemon.cli.run", "Run the service until it is stopped."),
    "status": ("daemon.cli.jobs", "Show the service, its characters and what is going on."),
    "jobs": ("daemon.cli.jobs", "List jobs, newest first."),
    "cancel": ("daemon.cli.jobs", "Cancel a job."),
    "retry": ("daemon.cli.jobs", "Run a failed or cancelled job again."),
    "say": ("daemon.cli.say", "Speak a text with a character's voice."),
    "phones": ("daemon.cli.phones", "Show how a text is read: its languages and phones."),
    "report": ("daemon.cli.report", "Say how good a character's recordings are, and what would help."),
    "verify": ("daemon.cli.verify", "Compare the bytes on disk with what is on record."),
    "models": ("daemon.cli.models", "List, import, download and check the public base weights."),
    "export": ("daemon.cli.bundle", "Write a voice as GPT-SoVITS opens it."),
    "import-voice": ("daemon.cli.bundle", "Take in a voice that was trained elsewhere."),
    "evaluate": ("daemon.cli.evaluate", "Measure how good a character's voice is."),
    "train-base": ("daemon.cli.train_base", "Train the base of a small model family from a corpus."),
    "keys": ("daemon.cli.keys", "Make, list and revoke keys of the API."),
    "backup": ("daemon.cli.backup", "Write everything into one file, also while the service runs."),
    "restore": ("daemon.cli.backup", "Put a backup back, or only check one."),
    "cleanup": ("daemon.cli.cleanup", "Remove old logs, sounds and events now, or show what would go."),
    "config": ("daemon.cli.config", "Show every setting and where it comes from."),
    "doctor": ("daemon.cli.doctor", "Check this machine and say what to do."),
    "demo": ("daemon.cli.demo", "Carry one real voice through the whole chain."),
}


class LazyGroup(click.Group):
    """Loads a command's module only when it is used, so that help and quick commands stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.command(
    cls=LazyGroup,
    epilog="Examples:  sovits-daemon run  ·  sovits-daemon status  ·  sovits-daemon say alice 'Good morning' -o a.wav",
)
@click.option("--config", type=click.Path(path_type=Path), help="YAML settings file (else SOVITS_CONFIG).")
@click.version_option(package_name="sovits-daemon", message="%(version)s")
@click.pass_context
def group(context: click.Context, config: Path | None) -> None:
    """Drop recordings into inbox/NAME/ and get a trained voice that answers REST queries."""
    context.obj = config


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; every expected error is one sentence on standard error."""
    from daemon.errors import SettingsError

    try:
        code = group.main(args=arguments, prog_name="sovits-daemon", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(1)
    except BrokenPipeError:  # the reader has seen enough, `| head` say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # the boundary of the program
        if os.environ.get("SOVITS_LOG__LEVEL") == "DEBUG":
            raise
        click.echo(f"sovits-daemon: {_sentence(error)}", err=True)
        sys.exit(2 if isinstance(error, SettingsError) else 1)
    sys.exit(code if isinstance(code, int) else 0)


def _sentence(error: Exception) -> str:
    from daemon.errors import ServiceError

    if isinstance(error, ServiceError | OSError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"the Python package {error.name} is missing; install sovits-daemon again"
    kind = type(error).__name__
    return f"an unexpected {kind}: {' '.join(str(error).split())} (SOVITS_LOG__LEVEL=DEBUG shows where)"

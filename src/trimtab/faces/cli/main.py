"""The program `trimtab`: its commands, loaded when they are called, and what becomes of errors. Called by `__main__`."""

import difflib
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from trimtab import __version__
from trimtab.errors import TrimtabError
from trimtab.faces.exits import BUG, DONE, INTERRUPTED

COMMANDS = {
    "up": ("machine", "Run a repository on this machine."),
    "down": ("machine", "Stop what `up` runs."),
    "status": ("rollouts", "Where every Canary stands."),
    "watch": ("rollouts", "What happens to one, live."),
    "history": ("rollouts", "Every attempt and how it ended."),
    "show": ("rollouts", "One attempt: what changed, who, the evidence."),
    "init": ("init", "Make a repository one with a canary and a pipeline."),
    "check": ("check", "Is what a repository says fit to be shown to anyone?"),
    "render": ("content", "What the targets of trimtab.yaml render to."),
    "diff": ("content", "What changed between targets, folders, commits or revisions, key by key."),
    "monitor": ("monitoring", "Watch the canary of a repository until there is a verdict."),
    "promote": ("promotion", "Bring judged content into the next target of a repository."),
    "rollback": ("promotion", "Put a canary in a repository back to what the target behind it has."),
    "approve": ("steering", "Open the gate at which a rollout waits."),
    "pause": ("steering", "Stop a rollout from growing."),
    "resume": ("steering", "Let it grow again."),
    "abort": ("steering", "Take all traffic back to the primary."),
    "retry": ("steering", "Start a held change again."),
    "undo": ("steering", "Go back to a revision that was promoted before."),
    "plan": ("judging", "What a rollout can see at each step, and how long it needs."),
    "backtest": ("judging", "What policies would have done to recorded traffic."),
    "operator": ("operator", "Roll out what changes in a cluster."),
    "demo": ("machine", "Show it, in half a minute."),
    "completion": ("completion", "Complete commands and names in a shell."),
}
"""Every command: the module that holds it, and what `--help` says of it, so that nothing else has to be loaded for that."""


class Commands(click.Group):
    """Loads a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, with its module loaded."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"trimtab.faces.cli.{COMMANDS[cmd_name][0]}")
        found: click.Command = getattr(module, f"{cmd_name}_command")
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Names the nearest command where there is none of that name."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, 1)
            ctx.fail(f"there is no command {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of `--help`, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="trimtab")
def cli() -> None:
    """Progressive delivery for configuration.

    Every change of a ConfigMap or Secret is validated, shown to a few, judged, then promoted or rolled back.

    \b
    Try it:
      trimtab demo
    """


def main() -> None:
    """Runs a command; the class of an error is its exit code (DESIGN §7)."""
    try:
        cli(prog_name="trimtab", standalone_mode=False)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as problem:
        with _text_alone():
            problem.show()
        sys.exit(problem.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except BaseExceptionGroup as group:
        ended(first(group))
    except Exception as problem:
        ended(problem)


@contextmanager
def _text_alone() -> Iterator[None]:
    """What is said in here is no command to the runner of a pipeline, whatever files and people put into it."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        yield
        return
    from trimtab.faces.annotations import guarded

    before, after = guarded([])
    click.echo(before, err=True)
    try:
        yield
    finally:
        click.echo(after, err=True)


def first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that a task group died of."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def ended(problem: BaseException) -> None:
    """Says what went wrong, and ends with the code for it. A bug leaves its trace in a file."""
    if isinstance(problem, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    if isinstance(problem, BrokenPipeError):
        # Whoever read the output wants no more of it, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(DONE)
    if isinstance(problem, TrimtabError):
        with _text_alone():
            click.echo(f"trimtab: {problem}", err=True)
        sys.exit(problem.exit_code)
    handle, name = tempfile.mkstemp(prefix="trimtab-bug-", suffix=".txt")
    with open(handle, "w") as file:
        traceback.print_exception(problem, file=file)
    click.echo(f"trimtab: this is a bug: {type(problem).__name__}. What is known of it is in {Path(name)}", err=True)
    sys.exit(BUG)

"""`trimtab completion`: what a shell needs to complete commands, options and names of Canaries. Loaded by `main` when called."""

import click
from click.shell_completion import get_completion_class

VARIABLE = "_TRIMTAB_COMPLETE"
"""By it the shell's script asks the program for completions."""


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print what makes SHELL complete commands, options and names of Canaries.

    \b
    Example:
      source <(trimtab completion bash)                                  (in ~/.bashrc)
      trimtab completion fish > ~/.config/fish/completions/trimtab.fish
    """
    from trimtab.faces.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "trimtab", VARIABLE).source())

"""Options that several commands share."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import click
import msgspec
from click.shell_completion import CompletionItem

from trimtab.errors import InputError, TrimtabError


def canaries(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of Canaries on record that begin with what was typed; none where nothing can be read."""
    from trimtab.wiring import state as state_of

    folder = state_of.state_folder(context.params.get("state"))
    if not folder.is_dir():
        return []

    async def names() -> list[str]:
        store = state_of.open_store(folder)
        try:
            return [key.name for key in await store.keys()]
        finally:
            await store.close()

    try:
        return [CompletionItem(name) for name in asyncio.run(names()) if name.startswith(incomplete)]
    except TrimtabError:
        return []


def duration(context: click.Context, parameter: click.Parameter, value: str) -> timedelta | None:
    """A duration as an option; None where it is empty."""
    from trimtab.documents.durations import parse_duration

    try:
        return parse_duration(value) if value else None
    except InputError as problem:
        raise click.BadParameter(str(problem)) from None


def show_json(value: object) -> None:
    """A view on standard output, as JSON."""
    click.echo(json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False))


canary_argument = click.argument("canary", required=False, shell_complete=canaries)
state_option = click.option(
    "--state", type=click.Path(path_type=Path), help="The state folder of `up`.  [default: ./.trimtab, or TRIMTAB_STATE]"
)
output_option = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How it is shown."
)
reason_option = click.option("--reason", default="", help="Why; it goes into the history.")

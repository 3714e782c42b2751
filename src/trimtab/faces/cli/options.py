"""Options that several commands share."""

from pathlib import Path

import click

canary_argument = click.argument("canary", required=False)
state_option = click.option(
    "--state", type=click.Path(path_type=Path), help="The state folder of `up`.  [default: ./.trimtab, or TRIMTAB_STATE]"
)
output_option = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How it is shown."
)
reason_option = click.option("--reason", default="", help="Why; it goes into the history.")

"""Is a metric query one that can be asked? Its template is filled in with made-up names, then read as PromQL. Called by `ours`."""

from collections.abc import Iterator, Mapping

import promql_parser

from trimtab.documents.template import QUERY_FUNCTIONS, collapse_whitespace, parse
from trimtab.errors import InputError

NAMES = {name: name for name in QUERY_FUNCTIONS - {"interval", "variables"}} | {"interval": "1m"}
SOMETHING = "1"
"""What a variable stands for where nobody says it: a number is fine wherever text is."""


class Anything(Mapping[str, str]):
    """Variables of which every one exists: a template by itself does not know what Canaries will give it."""

    def __getitem__(self, name: str) -> str:
        return SOMETHING

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __contains__(self, name: object) -> bool:
        return True


def fault(query: str, variables: Mapping[str, str] | None, *, promql: bool) -> tuple[str, str]:
    """The check that a query fails and why; two empty texts for a good one. `variables` is None where any may be given."""
    try:
        text = parse(query).render({**NAMES, "variables": Anything() if variables is None else variables})
    except InputError as error:
        return "document/template", str(error)
    if promql:
        try:
            promql_parser.parse(collapse_whitespace(text).strip())
        except ValueError as error:
            said = " ".join(str(error).split())
            return "document/query", f"is not PromQL: {said[:200]}"
    return "", ""

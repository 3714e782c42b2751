"""Go text templates in metric queries, as far as queries need them (C5, MET-1). Called by metrics adapters and by `check`.

Supported: actions, pipelines, variables, parentheses, `if`, `with`, `range`, `else`, comments, trim markers, the functions and,
or, not, eq, ne, lt, le, gt, ge, len, index, printf, and the caller's own. Anything else is an InputError that names it.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from trimtab.documents.template_nodes import Node
from trimtab.documents.template_parser import parse_nodes
from trimtab.documents.template_render import render_nodes
from trimtab.documents.template_values import BUILTINS, LAZY

QUERY_FUNCTIONS = frozenset({"name", "namespace", "target", "service", "ingress", "route", "interval", "variables"})
"""What a metric query may call (MET-1)."""

_WHITESPACE = re.compile(r"[\t\n\f\r ]+")


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was parsed without errors."""

    nodes: tuple[Node, ...]

    def render(self, functions: Mapping[str, object]) -> str:
        """The text; `functions` says what each function gives. Raises InputError with the line, for example for a missing variable."""
        return render_nodes(self.nodes, functions)


def parse(template: str, functions: Collection[str] = QUERY_FUNCTIONS) -> Template:
    """The template, checked as far as that is possible without values. Raises InputError that names the construct and its line."""
    return Template(parse_nodes(template, frozenset(functions) | BUILTINS.keys() | LAZY))


def render(template: str, functions: Mapping[str, object]) -> str:
    """The text of a template. `functions` gives the value of each function: text, numbers, lists, maps such as `variables`.

    Raises InputError that names the construct and its line.
    """
    return parse(template, functions.keys()).render(functions)


def collapse_whitespace(query: str) -> str:
    """Each run of whitespace as one space, at the ends too: what Flagger sends to Prometheus (MET-1)."""
    return _WHITESPACE.sub(" ", query)

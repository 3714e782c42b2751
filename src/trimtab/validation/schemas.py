"""JSON Schemas of keys: are they sound, and do values fit them? Called by `checks`, and by `documents` for schemas in a RolloutPolicy.

Nothing is ever fetched: a `$ref` leads to the schema itself or nowhere. The draft is what `$schema` names, else 2020-12. What the library
says holds values, so the texts are our own, and about a Secret they name only the place.
"""

import json
from collections.abc import Iterator
from datetime import date, time
from functools import lru_cache
from itertools import islice

import jsonschema_rs

from trimtab.config.comparison import Item
from trimtab.config.formats import parse
from trimtab.config.positions import Positions
from trimtab.config.showing import cut, quoted, shown_path, shown_value
from trimtab.config.suspects import concealed
from trimtab.config.trees import Format, Parsed, Tree
from trimtab.errors import InputError
from trimtab.model.content import Content, Finding, KeySchema
from trimtab.validation.catalogue import found

MOST = 10
"""Problems of one value that are told."""

Step = str | int | Item


@lru_cache(maxsize=64)
def compiled(schema: str) -> jsonschema_rs.Validator:
    """What holds values against a schema, given as JSON text. InputError that says what is wrong with it."""
    try:
        return jsonschema_rs.validator_for(schema, offline=True)
    except jsonschema_rs.ValidationError as error:
        raise InputError(f"is not a usable JSON Schema: {_unsound(error)}") from None
    except ValueError as error:
        raise InputError(f"is not a usable JSON Schema: {cut(quoted(str(error)))}") from None


def _unsound(error: jsonschema_rs.ValidationError) -> str:
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Referencing):
        return f"{error.message}. What a $ref leads to must be in the schema itself, under $defs; nothing is fetched"
    where = shown_path(tuple(error.instance_path))
    return f"{f'at {where}: ' if where else ''}{error.message}"


def misfits(content: Content, key: str, text: str, rule: KeySchema) -> Iterator[Finding]:
    """Where one value does not fit its schema, with lines of the value."""
    parsed, fix = parse(key, text), f"Correct it, or the schema in {rule.place}."
    if parsed.problem:
        at = f", line {parsed.line} of the value" if parsed.line else ""
        problem = f"cannot be held against its JSON Schema, since it is not {parsed.format}{at}"
        yield found("content/schema", problem, key, parsed.line, fix)
        return
    errors, places = _errors(parsed, text, rule), Positions(parsed.format, text)
    for where, error in islice(errors, MOST):
        place = shown_path(where)
        about = "" if content.secret else f": {_said(key, where, error)}"
        problem = f"does not fit its JSON Schema{f' at {place}' if place else ''}{about}"
        yield found("content/schema", problem, key, places.line_of(where) if where else 0, fix)
    if next(errors, None) is not None:
        yield found("content/schema", f"does not fit its JSON Schema in more than {MOST} places", key, fix=fix)


def _errors(parsed: Parsed, text: str, rule: KeySchema) -> Iterator[tuple[tuple[Step, ...], jsonschema_rs.ValidationError]]:
    """Each document against the schema; plain text is a string."""
    validator = compiled(rule.schema)
    documents: tuple[Tree, ...] = (text,) if parsed.format is Format.TEXT else parsed.documents or (None,)
    for index, document in enumerate(documents):
        start: tuple[Step, ...] = (Item(f"document {index + 1}"),) if len(documents) > 1 else ()
        for error in validator.iter_errors(_plain(document)):
            yield (*start, *error.instance_path), error


def _plain(tree: Tree) -> object:
    """The tree as JSON has it: dates and times are text."""
    if isinstance(tree, dict):
        return {name: _plain(item) for name, item in tree.items()}
    if isinstance(tree, list):
        return [_plain(item) for item in tree]
    return tree.isoformat() if isinstance(tree, date | time) else tree


LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "{} or more characters",
    "maxLength": "at most {} characters",
    "minItems": "{} or more items",
    "maxItems": "at most {} items",
    "minProperties": "{} or more names",
    "maxProperties": "at most {} names",
    "pattern": "text that matches {}",
    "format": "a {}",
    "type": "{}",
    "enum": "one of {}",
    "const": "{}",
}
"""What keywords with one limit ask for."""
REST = {
    "anyOf": "it fits none of the alternatives",
    "oneOf": "it must fit exactly one of the alternatives",
    "not": "it is of a kind that is not allowed here",
    "uniqueItems": "an item is there twice",
    "contains": "none of its items is as required",
    "propertyNames": "it has a name that is not allowed",
    "falseSchema": "nothing is allowed here",
}


KINDS = {str: "text", int: "a number", float: "a number", bool: "true or false", dict: "a mapping", list: "a list", type(None): "null"}


def _said(key: str, where: tuple[Step, ...], error: jsonschema_rs.ValidationError) -> str:
    """What is wrong, in words. What was found is shown unless it may be a credential."""
    keyword, about = error.kind.name, error.kind.as_dict()
    if keyword in LIMITS and len(about) == 1:
        return f"it is {_seen(key, where, error.instance)}, and must be {LIMITS[keyword].format(_limit(keyword, *about.values()))}"
    if keyword == "required":
        return f"{quoted(str(about.get('property')))} is missing"
    if keyword == "falseSchema" and error.schema_path[-1:] == ["additionalProperties"]:
        return "no name is allowed here"
    if names := about.get("unexpected"):
        return f"{', '.join(cut(quoted(str(name))) for name in names[:MOST])} may not be there"
    return REST.get(keyword, f"it breaks the keyword {keyword}")


def _limit(keyword: str, limit: object) -> str:
    if isinstance(limit, list):
        between = " or " if keyword == "type" else ", "
        return between.join(_limit(keyword, item) for item in limit[:MOST]) + (", ..." if len(limit) > MOST else "")
    return limit if isinstance(limit, str) else json.dumps(limit, default=str)


def _seen(key: str, where: tuple[Step, ...], value: object) -> str:
    """A number or a word as it is; anything else, and what may be a credential, by its kind."""
    names = [key, *(step for step in where if isinstance(step, str))]
    if not isinstance(value, str | bool | int | float | None) or concealed(names, value):
        return KINDS.get(type(value), "something else")
    return cut(quoted(value) if isinstance(value, str) else shown_value(value))

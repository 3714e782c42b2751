"""What a value of a ConfigMap is written in, and what it says: a flat map from path to scalar. Called by `difference` and `validation`.

The format follows from the key's suffix, then from the content; plain text is the safe answer. What does not parse is data,
not an exception: templates and JSON with comments exist (C3). A problem never quotes the value, which may be a Secret's.
"""

import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import yaml

Scalar = str | int | float | bool | None
LARGEST = 20_000
"""Leaves of one value; a value with more, for example by nested aliases, is treated as text."""


class Format(StrEnum):
    """What values are written in."""

    YAML = "YAML"
    JSON = "JSON"
    TOML = "TOML"
    INI = "INI"
    PROPERTIES = "properties"
    ENV = "env"
    TEXT = "text"


SUFFIXES = {
    ".yaml": Format.YAML,
    ".yml": Format.YAML,
    ".json": Format.JSON,
    ".toml": Format.TOML,
    ".ini": Format.INI,
    ".properties": Format.PROPERTIES,
    ".env": Format.ENV,
}


class Unreadable(ValueError):
    """A value is not in its format. `line` counts from 1 within the value; 0 where it is not known."""

    def __init__(self, problem: str, line: int = 0) -> None:
        self.problem, self.line = problem, line
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a value says. `leaves` is empty where it is text or does not parse; then `problem` and `line` say why."""

    format: Format
    leaves: Mapping[str, Scalar] = field(default_factory=dict, repr=False)
    problem: str = ""
    line: int = 0


def named_format(key: str) -> Format | None:
    """The format that the key's suffix promises."""
    lowered = key.lower()
    return next((found for suffix, found in SUFFIXES.items() if lowered.endswith(suffix)), None)


def parse(key: str, text: str) -> Parsed:
    """Reads a value by the format of its key, else by what it looks like."""
    promised = named_format(key)
    if promised is not None:
        return attempt(promised, text)
    for guess in guesses(text):
        found = attempt(guess, text)
        if found.leaves and not found.problem:
            return found
    return Parsed(Format.TEXT)


def attempt(format: Format, text: str) -> Parsed:
    """Reads a value in one format."""
    try:
        return Parsed(format, READERS[format](text))
    except Unreadable as why:
        return Parsed(format, {}, why.problem, why.line)


def guesses(text: str) -> Iterator[Format]:
    """Formats that text without a telling suffix may be in, the strictest first."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        return
    if lines[0].lstrip()[:1] in ("{", "["):
        yield Format.JSON
    if re.fullmatch(r"\[[\w .:-]+\]\s*", lines[0]) and any("=" in line for line in lines):
        yield Format.INI
    if all(re.match(r"(export )?[A-Za-z_]\w*=", line) for line in lines):
        yield Format.ENV
    if re.match(r"[\w.\"'-]+:(\s|$)", lines[0]) and all(re.match(r"\s|-|[\w.\"'-]+:(\s|$)|---|\}|\]", line) for line in lines):
        yield Format.YAML


def read_yaml(text: str) -> dict[str, Scalar]:
    """Every document; several are numbered. Scalars as YAML 1.2 has them, so `on` and dates stay text."""
    leaves: dict[str, Scalar] = {}
    try:
        nodes = [node for node in yaml.compose_all(text, Loader=yaml.CSafeLoader) if node is not None]
        for index, node in enumerate(nodes):
            collect_node(node, f"[{index}]" if len(nodes) > 1 else "", leaves)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(f"is not YAML: {error.problem or error.context or 'it cannot be read'}", mark.line + 1 if mark else 0) from None
    except (yaml.YAMLError, RecursionError):
        raise Unreadable("is not YAML") from None
    return leaves


def collect_node(node: yaml.Node, path: str, leaves: dict[str, Scalar]) -> None:
    """The leaves below a node."""
    if len(leaves) > LARGEST:
        raise Unreadable(f"has more than {LARGEST} values")
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            if name in seen:
                raise Unreadable("is not YAML: a key occurs twice", key.start_mark.line + 1)
            seen.add(name)
            collect_node(value, joined(path, name), leaves)
        if not node.value:
            leaves[path] = "{}"
    elif isinstance(node, yaml.SequenceNode):
        names = [node_name(item) for item in node.value]
        for index, item in enumerate(node.value):
            collect_node(item, f"{path}[{label(names, index)}]", leaves)
        if not node.value:
            leaves[path] = "[]"
    elif isinstance(node, yaml.ScalarNode):
        leaves[path] = node.value if node.style else plain_scalar(node.value)


def node_name(node: yaml.Node) -> str:
    """By what an item of a list is told from others, if it says so."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(value, yaml.ScalarNode) and key.value in ("name", "id", "key"):
                return str(value.value)
    return ""


def label(names: list[str], index: int) -> str:
    """An item's name where all have different ones, else its number."""
    return names[index] if all(names) and len(set(names)) == len(names) else str(index)


def plain_scalar(text: str) -> Scalar:
    """An unquoted YAML scalar (YAML 1.2 core schema)."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    return text


def read_json(text: str) -> dict[str, Scalar]:
    """JSON without comments; a key that occurs twice is a problem."""
    try:
        value = json.loads(text, object_pairs_hook=unique)
        leaves: dict[str, Scalar] = {}
        collect(value, "", leaves)
    except json.JSONDecodeError as error:
        raise Unreadable(f"is not JSON: {error.msg}", error.lineno) from None
    except RecursionError:
        raise Unreadable("is not JSON: it is nested too deeply") from None
    return leaves


def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object, if no key occurs twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unreadable("is not JSON: a key occurs twice")
    return found


def collect(value: object, path: str, leaves: dict[str, Scalar]) -> None:
    """The leaves below a value of JSON or TOML."""
    if len(leaves) > LARGEST:
        raise Unreadable(f"has more than {LARGEST} values")
    if isinstance(value, dict):
        for name, item in value.items():
            collect(item, joined(path, str(name)), leaves)
        if not value:
            leaves[path] = "{}"
    elif isinstance(value, list):
        names = [item_name(item) for item in value]
        for index, item in enumerate(value):
            collect(item, f"{path}[{label(names, index)}]", leaves)
        if not value:
            leaves[path] = "[]"
    else:
        leaves[path] = value if isinstance(value, str | int | float | bool | None) else str(value)


def item_name(item: object) -> str:
    """By what an item of a list is told from others, if it says so."""
    if isinstance(item, dict):
        return next((str(item[key]) for key in ("name", "id", "key") if isinstance(item.get(key), str | int)), "")
    return ""


def joined(path: str, name: str) -> str:
    """`database.pool_size`; names with a dot are quoted."""
    shown = f'"{name}"' if "." in name else name
    return f"{path}.{shown}" if path else shown


def read_toml(text: str) -> dict[str, Scalar]:
    """TOML 1.0."""
    leaves: dict[str, Scalar] = {}
    try:
        collect(tomllib.loads(text), "", leaves)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at (?:line (\d+)|end)", str(error))
        raise Unreadable("is not TOML", int(found[1]) if found and found[1] else 0) from None
    return leaves


def read_ini(text: str) -> dict[str, Scalar]:
    """Sections with `name = value`; names before the first section are allowed."""
    parser = configparser.RawConfigParser(strict=True, allow_no_value=True, default_section="\0")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        parser.read_string("[\1]\n" + text)
    except configparser.ParsingError as error:
        raise Unreadable("is not INI", error.errors[0][0] - 1 if error.errors else 0) from None
    except configparser.Error as error:
        raise Unreadable("is not INI: a name or section occurs twice", max(0, getattr(error, "lineno", 1) - 1)) from None
    found: dict[str, Scalar] = {}
    for section in parser.sections():
        for name, value in parser.items(section):
            found[name if section == "\1" else f"{section}.{name}"] = value
    return found


def read_properties(text: str) -> dict[str, Scalar]:
    """Java properties: `name=value`, `name: value` or `name value`, `\\` at the end of a line goes on, later names win."""
    found: dict[str, Scalar] = {}
    for line in re.sub(r"\\\r?\n[ \t]*", "", text).splitlines():
        stripped = line.strip()
        if stripped and stripped[0] not in "#!":
            parts = re.split(r"(?<!\\)\s*[=:]\s*|(?<!\\)\s+", stripped, maxsplit=1)
            found[parts[0]] = parts[1] if len(parts) > 1 else ""
    return found


def read_env(text: str) -> dict[str, Scalar]:
    """`NAME=value`, with or without `export`; quotes around a value do not count."""
    found: dict[str, Scalar] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().removeprefix("export ")
        if not stripped or stripped.startswith("#"):
            continue
        name, sign, value = stripped.partition("=")
        if not sign or not re.fullmatch(r"[A-Za-z_][\w.-]*", name.strip()):
            raise Unreadable("is not a list of NAME=value", number)
        value = value.strip()
        found[name.strip()] = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
    return found


READERS: dict[Format, Callable[[str], dict[str, Scalar]]] = {
    Format.YAML: read_yaml,
    Format.JSON: read_json,
    Format.TOML: read_toml,
    Format.INI: read_ini,
    Format.PROPERTIES: read_properties,
    Format.ENV: read_env,
}

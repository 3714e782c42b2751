"""What a value of a ConfigMap is written in, and what it says. Called by `difference` and `validation`.

The format follows from the key's suffix, then from the content; plain text is the safe answer. What does not parse is data, not an
exception: templates and JSON with comments exist (C3).
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator

from trimtab.config.lines import read_env, read_ini, read_properties
from trimtab.config.trees import Format, Parsed, Tree, Unreadable, bounded, fraction, whole
from trimtab.config.yaml import read_yaml

SUFFIXES = {
    ".yaml": Format.YAML,
    ".yml": Format.YAML,
    ".json": Format.JSON,
    ".toml": Format.TOML,
    ".ini": Format.INI,
    ".properties": Format.PROPERTIES,
    ".env": Format.ENV,
}
NEVER_GUESSED = re.compile(
    r"\.(conf|cfg|cnf|txt|md|sh|sql|lua|py|js|json5|jsonc|html?|css|xml|tmpl|tpl|gotmpl|j2|vcl|csv|log|pem|crt|cer|key|csr|pub)$"
)
"""Suffixes under which anything may be written: nginx, HAProxy, scripts, templates, certificates."""

_OUTSIDE_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"|(-?Infinity|NaN)')
_AT = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


def named_format(key: str) -> Format | None:
    """The format that the key's suffix promises."""
    lowered = key.lower()
    return next((found for suffix, found in SUFFIXES.items() if lowered.endswith(suffix)), None)


def parse(key: str, text: str) -> Parsed:
    """Reads a value by the format of its key, else by what it looks like. Never raises."""
    promised = named_format(key)
    if promised is not None:
        return attempt(promised, text)
    if not NEVER_GUESSED.search(key.lower()):
        for guess in guesses(text):
            found = attempt(guess, text)
            if not found.problem and any(isinstance(document, dict | list) for document in found.documents):
                return found
    return Parsed(Format.TEXT)


def attempt(format: Format, text: str) -> Parsed:
    """Reads a value in one format."""
    try:
        return Parsed(format, tuple(bounded(document) for document in READERS[format](text)))
    except Unreadable as why:
        # Some readers notice only behind the end.
        return Parsed(format, (), why.problem, min(why.line, text.removesuffix("\n").count("\n") + 1))


def guesses(text: str) -> Iterator[Format]:
    """Formats that text without a telling suffix may be in, the strictest first; nothing for a single line of text."""
    lines = [line.rstrip() for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        return
    if lines[0].lstrip()[0] in "{[":
        yield Format.JSON
    if len(lines) < 2:
        return
    if re.fullmatch(r"\[[^\[\]]+\]", lines[0]) and all(re.match(r"\s|;|\[.+\]$|[^=:\s]+\s*[=:]", line) for line in lines):
        yield Format.TOML
        yield Format.INI
    if all(re.match(r"(export )?[A-Za-z_]\w*=", line) for line in lines):
        yield Format.ENV
    if all(re.fullmatch(r"(?:[\w.\"'-]+:(?:\s.*)?|\s.*|- .*|-|---)(?<![;{])", line) for line in lines):
        yield Format.YAML


def read_json(text: str) -> tuple[Tree, ...]:
    """JSON without comments (RFC 8259). Raises Unreadable also for NaN, infinity, and a key that occurs twice."""
    if not text.strip():
        raise Unreadable("it is empty", 1)
    try:
        value: Tree = json.loads(
            text,
            parse_int=whole,
            parse_float=fraction,
            parse_constant=lambda _: _refuse_constants(text),
            object_pairs_hook=lambda pairs: _unique(text, pairs),
        )
    except json.JSONDecodeError as error:
        raise Unreadable(error.msg, _wrong_line(text, error)) from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    return (value,)


def _wrong_line(text: str, error: json.JSONDecodeError) -> int:
    """Where a comma or a value is missing, or a comma is one too many, is what stands before; the reader notices at what comes next."""
    before = text[: error.pos].rstrip()
    noticed_late = "delimiter" in error.msg or text[error.pos : error.pos + 1] in ("}", "]", "")
    return before.count("\n") + 1 if before and noticed_late else error.lineno


def _refuse_constants(text: str) -> Tree:
    place = next((found.start() for found in _OUTSIDE_STRINGS.finditer(text) if found[1]), 0)
    raise Unreadable("NaN and infinity do not exist in JSON", text.count("\n", 0, place) + 1)


def _unique(text: str, pairs: list[tuple[str, Tree]]) -> Tree:
    """An object, if no key occurs twice. The line is known where the key stands exactly twice in the whole value."""
    found: dict[str, Tree] = {}
    for name, value in pairs:
        if name in found:
            written = [match.start() for match in re.finditer(re.escape(json.dumps(name, ensure_ascii=False)) + r"\s*:", text)]
            raise Unreadable(f"the key {name!r} is written twice", text.count("\n", 0, written[1]) + 1 if len(written) == 2 else 0)
        found[name] = value
    return found


def read_toml(text: str) -> tuple[Tree, ...]:
    """TOML 1.0."""
    try:
        value: Tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT.search(str(error))
        line = int(at[1]) if at and at[1] else text.rstrip("\n").count("\n") + 1
        raise Unreadable(_AT.sub("", str(error)), line) from None
    except (ValueError, RecursionError):
        raise Unreadable("it is nested too deeply, or has a number or a date that does not exist") from None
    return (value,)


READERS: dict[Format, Callable[[str], tuple[Tree, ...]]] = {
    Format.YAML: read_yaml,
    Format.JSON: read_json,
    Format.TOML: read_toml,
    Format.INI: read_ini,
    Format.PROPERTIES: read_properties,
    Format.ENV: read_env,
}

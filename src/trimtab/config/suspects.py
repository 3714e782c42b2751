"""Credentials in text that should hold none: by the shape that providers give their keys, and by name and randomness.

Called by `validation`. Nothing that is returned holds any part of what was found. Patterns are anchored and bounded, so that no input
takes more than linear time, and each is tried only where a piece of text that it cannot do without occurs.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suspect:
    """Something that looks like a credential. `what` says which kind, `line` counts from 1 within the text."""

    what: str
    line: int


@dataclass(frozen=True, slots=True)
class Shape:
    """What one kind of credential looks like. One of `hints`, in lower case, occurs in every text that holds one."""

    what: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]


def _shape(what: str, hints: str, pattern: str) -> Shape:
    return Shape(what, tuple(hints.lower().split()), re.compile(rf"(?<![\w-])(?:{pattern})(?![\w])"))


PRIVATE_KEY = "a private key"
SHAPES = (
    _shape("an AWS access key id", "akia asia", r"(?:AKIA|ASIA)[A-Z2-7]{16}"),
    _shape("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,250}"),
    _shape("a GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    _shape("a GitLab token", "gl", r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat)-[A-Za-z0-9_.-]{20,200}"),
    _shape("a Slack token", "xox", r"xox[abeoprs]-(?:[0-9A-Za-z]{1,200}-){1,8}[0-9A-Za-z]{10,200}"),
    _shape("a Slack token", "xapp-", r"xapp-\d-[A-Z0-9]{5,40}-\d{5,40}-[0-9a-z]{20,200}"),
    _shape(
        "the address of a Slack webhook",
        "hooks.slack.com/",
        r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Z0-9]{7,20}/[A-Za-z0-9]{7,30}/[A-Za-z0-9/]{16,100}",
    ),
    _shape(
        "the address of a Discord webhook",
        "/api/webhooks/",
        r"https://(?:\w{1,20}\.)?discord(?:app)?\.com/api/webhooks/\d{15,25}/[\w-]{50,100}",
    ),
    _shape("a Stripe key", "k_live_ whsec_", r"[rs]k_live_[A-Za-z0-9]{16,250}|whsec_[A-Za-z0-9+/]{32,100}"),
    _shape("a Google API key", "aiza gocspx-", r"AIza[\w-]{35}|GOCSPX-[\w-]{28}"),
    _shape("an Azure account key", "accountkey=", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    _shape("an npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _shape("a PyPI token", "pypi-ag", r"pypi-Ag[A-Za-z0-9_-]{50,400}"),
    _shape("a SendGrid key", "sg.", r"SG\.[\w-]{22}\.[\w-]{43}"),
    _shape(
        "an OpenAI or Anthropic key",
        "sk-",
        r"sk-(?:proj-|svcacct-|ant-[a-z0-9]{1,10}-)?(?=[\w-]{0,200}\d)(?=[\w-]{0,200}[A-Z])[\w-]{40,220}",
    ),
    _shape("a Hugging Face token", "hf_", r"hf_[A-Za-z]{34}"),
    _shape("a DigitalOcean token", "_v1_", r"do[opr]_v1_[a-f0-9]{64}"),
    _shape("a Vault token", "hvs. hvb.", r"hv[sb]\.[\w-]{24,300}"),
    _shape("a Telegram bot token", ":aa", r"\d{8,10}:AA[\w-]{33}"),
    _shape("an age secret key", "age-secret-key-", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _shape("a JSON Web Token", "eyj", r"eyJ[\w-]{10,4000}\.eyJ[\w-]{10,8000}\.[\w-]{16,2000}"),
    Shape(
        PRIVATE_KEY,
        ("private key",),
        re.compile(
            r"-----BEGIN (?:(?:RSA|DSA|EC|OPENSSH|PGP) )?PRIVATE KEY(?: BLOCK)?-----(?!(?:\\n|\s){0,9}(?:X{3}|\.{3}|<|\$|\{\{|REDACTED))"
        ),
    ),
)

_URL = re.compile(r"(?<![\w+.-])[A-Za-z][\w+.-]{1,30}://[^\s:/@\"'<>?#]{0,100}:([^\s@/\"'<>]{3,200})@[^\s/\"'@]")
_HEADER = re.compile(
    r"(?i)(?<![\w-])authorization[\"']?[ \t]{0,8}[:=][ \t]{0,8}[\"']?(?:basic|bearer)[ \t]{1,8}([A-Za-z0-9+/=._~-]{16,4000})"
)

_PASSWORDS = r"passwords?|passwd|passphrase|pwd"
_KEYS = r"secrets?|tokens?|api[_-]?keys?|(?:access|secret|private|signing|encryption|auth|account)[_-]?keys?|credentials?"
_NAMED = re.compile(
    rf"(?i)(?<![\w./:-])([\w.-]{{0,60}}?(?:({_PASSWORDS})|{_KEYS}))[\"']?[ \t]{{0,8}}[:=][ \t]{{0,8}}"
    r"(?:\"([^\"\n]{6,400})\"|'([^'\n]{6,400})'|([^\s\"'#,;`{}\[\]]{6,400}))"
)
_NAME = re.compile(rf"(?i)[\w.-]{{0,200}}?(?:({_PASSWORDS})|{_KEYS})")
_AMOUNT = re.compile(r"[-+]?[0-9.]{0,12}[A-Za-z%]{0,3}|true|false|null")
_NAMED_HINTS = ("pass", "pwd", "secret", "token", "key", "credential")

_PLACEHOLDER = re.compile(
    r"(?i)^[=$(\[{<%&*|>!/.~@`]|\$\{|\$\(|\{\{|<[^>]{0,60}>|\(.{0,100}\)|%\(|x{4,}|\*{3,}|\.{3,}|1234|change.?me|change.?it|example|placeholder"
    r"|redacted|dummy|sample|replace|^your|^enter|^insert|^test|^fake|^https?://|^vault:|^ref\+|^env:|^file:|^secret:|^arn:|^projects/"
)
_KNOWN = re.compile(r"(?i)pass(?:word)?|pwd|pw|secret|user|admin|root|postgres|mysql|guest|token|[0-9]{1,5}|(?-i:[A-Z_]+)")
"""Passwords that everybody knows, and ports."""
_CALL = re.compile(r"\w[(\[]")
_IDENTIFIER = re.compile(r"[A-Za-z_]+(?:[-_./:@]{1,3}[A-Za-z0-9_]+)*[-_./:]?")
"""Words in a row, as names of objects, fields, files and images are."""
_LEAST_ENTROPY = 3.0
"""Bits a character. Sixteen random characters of base64 have about 3.7, sixteen random hex digits about 3.2."""
_LEAST_KEY = 16


def suspects(text: str) -> Iterator[Suspect]:
    """Everything in a text that looks like a credential, at most one of a kind on a line."""
    lowered = text.lower()
    seen: set[int] = set()
    for shape in SHAPES:
        if any(hint in lowered for hint in shape.hints):
            matches = (match for match in shape.pattern.finditer(text) if not _is_documented(match[0]))
            yield from _told(shape.what, text, matches, seen)
    if "://" in text:
        yield from _told(
            "an address with a password",
            text,
            (match for match in _URL.finditer(text) if not _is_stand_in(match[1]) and not _KNOWN.fullmatch(match[1])),
            seen,
        )
    if "authorization" in lowered:
        headers = (match for match in _HEADER.finditer(text) if not _is_stand_in(match[1]))
        yield from _told("an Authorization header", text, headers, seen)
    if any(hint in lowered for hint in _NAMED_HINTS):
        named = [match for match in _NAMED.finditer(text) if not (match[5] and _CALL.search(match[5]))]
        passwords = (match for match in named if match[2] and _is_password(_value(match)))
        yield from _told("a password", text, passwords, seen)
        yield from _told("a secret key or token", text, (match for match in named if not match[2] and _is_key(_value(match))), seen)


def concealed(names: Iterable[str], *values: object) -> bool:
    """May one of these values, which stand under these names, be a credential, so that none of them is shown?

    More is concealed than is found: whatever a password is, and any text under a name that says so. Amounts such as `max_tokens` are not.
    """
    telling = [found for name in names if (found := _NAME.fullmatch(name)) is not None]
    texts = [str(value) for value in values if isinstance(value, str | dict | list)]
    if any(found[1] for found in telling) or (telling and not all(_AMOUNT.fullmatch(text) for text in texts)):
        return True
    return any(next(suspects(text), None) is not None for text in texts)


def holds_private_key(text: str) -> bool:
    """Is there one anywhere in it? Its lines do not show it one by one."""
    return any(shape.pattern.search(text) for shape in SHAPES if shape.what == PRIVATE_KEY)


def suspect_under(name: str, value: str) -> Suspect | None:
    """A credential that is a value as a whole, under a name that says so; else the first one inside."""
    named, whole = _NAME.fullmatch(name), value.strip()
    if named is not None and "\n" not in whole and len(whole) <= 400:
        if named[1] and len(whole) >= 6 and _is_password(whole):
            return Suspect("a password", 1)
        if not named[1] and _is_key(whole):
            return Suspect("a secret key or token", 1)
    return next(suspects(value), None)


def _told(what: str, text: str, matches: Iterator[re.Match[str]], seen: set[int]) -> Iterator[Suspect]:
    """One for each line that nothing was told about yet."""
    for match in matches:
        line = text.count("\n", 0, match.start()) + 1
        if line not in seen:
            seen.add(line)
            yield Suspect(what, line)


def _value(match: re.Match[str]) -> str:
    return match[3] or match[4] or match[5]


def _is_documented(found: str) -> bool:
    """Keys that documentation shows are marked as such."""
    return "EXAMPLE" in found.upper() or len(set(found[-12:])) < 4


def _is_stand_in(value: str) -> bool:
    """What a template fills, a reference, or a word that says that something else belongs here."""
    return bool(_PLACEHOLDER.search(value)) or len(set(value)) < 4


def _is_password(value: str) -> bool:
    """A literal that nobody would write for anything else: letters with digits or signs, no words in a row."""
    if _is_stand_in(value) or not value.isascii() or " " in value or _IDENTIFIER.fullmatch(value):
        return False
    return any(c.isalpha() for c in value) and any(not c.isalpha() for c in value)


def _is_key(value: str) -> bool:
    """Long and random."""
    if len(value) < _LEAST_KEY or not value.isascii() or " " in value or _is_stand_in(value) or _IDENTIFIER.fullmatch(value):
        return False
    return any(c.isdigit() for c in value) and any(c.isalpha() for c in value) and entropy(value) >= _LEAST_ENTROPY


def entropy(text: str) -> float:
    """Shannon's entropy of the characters of a text, in bits a character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)

"""Alerts as chats take them (AL-2 to AL-4): Slack, Discord, Rocket.Chat, Teams, Google Chat. Called by `teller`."""

from collections.abc import Callable, Mapping

from trimtab.errors import InputError
from trimtab.model.names import CanaryKey
from trimtab.model.policy import AlertTarget, Policy
from trimtab.model.tellings import Telling

RANK = {"info": 0, "warn": 1, "error": 2, "never": 3}
"""`never` is the severity of a target that is sent nothing (QUIRK-10)."""
PICTURE = "https://flagger.app/favicon.png"
"""In cards of Google Chat, as from Flagger."""
Fields = list[tuple[str, str]]
Payload = dict[str, object]


def wanted(target: AlertTarget, telling: Telling) -> bool:
    """Is this severe enough for the target? (AL-2)"""
    return RANK[telling.severity] >= RANK[target.severity]


def fields(key: CanaryKey, policy: Policy, telling: Telling, cluster: str) -> Fields:
    """What an alert lists: the cluster where it has a name, and with a detailed one the rules (AL-3)."""
    where = [("Cluster", cluster)] if cluster else []
    if not telling.detailed:
        return where
    return [
        *where,
        ("Target", f"{policy.target.kind}/{policy.target.name}.{key.namespace}"),
        ("Failed checks threshold", str(policy.analysis.threshold)),
        ("Progress deadline", f"{int(policy.progress_deadline.total_seconds())}s"),
        ("Traffic routing", policy.routing),
    ]


def slack(key: CanaryKey, target: AlertTarget, telling: Telling, listed: Fields) -> Payload:
    """Slack, and whatever understands Slack."""
    return coloured(attachment(key, target, telling, listed), "danger" if telling.severity == "error" else "good")


def rocket(key: CanaryKey, target: AlertTarget, telling: Telling, listed: Fields) -> Payload:
    """Rocket.Chat: Slack's shape with colours of its own."""
    return coloured(attachment(key, target, telling, listed), "#FF0000" if telling.severity == "error" else "#0076D7")


def coloured(message: tuple[Payload, Payload], colour: str) -> Payload:
    """A message with its one attachment in a colour."""
    outer, inner = message
    return {**outer, "attachments": [{"color": colour, **inner}]}


def attachment(key: CanaryKey, target: AlertTarget, telling: Telling, listed: Fields) -> tuple[Payload, Payload]:
    """One message and its one attachment."""
    shown = [{"title": title, "value": value, "short": False} for title, value in listed]
    found: Payload = {"author_name": str(key), "text": telling.text, "mrkdwn_in": ["text"], "fields": shown}
    return {"channel": target.channel, "username": target.username, "icon_url": "", "icon_emoji": ":rocket:"}, found


def teams(key: CanaryKey, target: AlertTarget, telling: Telling, listed: Fields) -> Payload:
    """Teams: a message card."""
    facts = [{"name": title, "value": value} for title, value in listed]
    section: Payload = {"activityTitle": telling.text, "activitySubtitle": str(key), "facts": facts}
    return {
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": "FF0000" if telling.severity == "error" else "0076D7",
        "summary": str(key),
        "sections": [section],
    }


def gchat(key: CanaryKey, target: AlertTarget, telling: Telling, listed: Fields) -> Payload:
    """Google Chat: one card with a section for the text and for each field."""
    texts = (_strong(telling.text), *(f"{name}<br>{_strong(value)}" for name, value in listed))
    header = {"title": "Flagger", "subtitle": str(key), "imageUrl": PICTURE}
    return {"cards": [{"header": header, "sections": [{"widgets": [{"textParagraph": {"text": text}}]} for text in texts]}]}


def _strong(text: str) -> str:
    return f"<font color=#848484><strong>{text}</strong></font>"


SHAPES: Mapping[str, Callable[[CanaryKey, AlertTarget, Telling, Fields], Payload]] = {
    "slack": slack,
    "discord": slack,
    "rocket": rocket,
    "teams": teams,
    "gchat": gchat,
}


def payload(key: CanaryKey, policy: Policy, target: AlertTarget, telling: Telling, cluster: str) -> Payload:
    """What is posted to a target."""
    return SHAPES.get(target.type, slack)(key, target, telling, fields(key, policy, telling, cluster))


def address(target: AlertTarget, secret: Mapping[str, bytes]) -> tuple[str, dict[str, str]]:
    """Where it is posted, and with which headers; both may come from a Secret. The address is empty where none was given.

    InputError names the key of the Secret that is no text.
    """
    url = text_of(target, secret, "address") or target.address
    if url and target.type == "discord" and not url.endswith("/slack"):
        url += "/slack"
    token = text_of(target, secret, "token")
    return url, {"Authorization": f"Bearer {token}"} if token and target.type == "slack" else {}


def text_of(target: AlertTarget, secret: Mapping[str, bytes], key: str) -> str:
    """One key of a Secret; empty where it is not there."""
    try:
        return secret.get(key, b"").decode().strip()
    except UnicodeDecodeError:
        raise InputError(f"key {key} of Secret {target.secret} in {target.namespace} is not UTF-8 text") from None

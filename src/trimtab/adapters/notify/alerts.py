"""Alerts as chats take them (AL-2 to AL-4): Slack, Discord, Rocket.Chat, Teams, Google Chat. Called by `teller`."""

from collections.abc import Callable, Mapping

from trimtab.model.names import CanaryKey
from trimtab.model.policy import AlertTarget, Policy
from trimtab.model.tellings import Telling

RANK = {"info": 0, "warn": 1, "error": 2}
Fields = list[tuple[str, str]]
Payload = dict[str, object]


def wanted(target: AlertTarget, telling: Telling) -> bool:
    """Is this severe enough for the target? (AL-2)"""
    return RANK[telling.severity] >= RANK[target.severity]


def fields(key: CanaryKey, policy: Policy, telling: Telling) -> Fields:
    """What a detailed alert lists (AL-3)."""
    if not telling.detailed:
        return []
    return [
        ("Target", f"{policy.target.kind}/{policy.target.name}.{key.namespace}"),
        ("Failed checks threshold", str(policy.analysis.threshold)),
        ("Progress deadline", f"{policy.progress_deadline.total_seconds():g}s"),
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
    found: Payload = {"author_name": str(key), "text": telling.text, "mrkdwn_in": ["text"]}
    if listed:
        found["fields"] = [{"title": title, "value": value, "short": False} for title, value in listed]
    return {"channel": target.channel, "username": target.username, "icon_url": "", "icon_emoji": ":rocket:"}, found


def teams(key: CanaryKey, target: AlertTarget, telling: Telling, listed: Fields) -> Payload:
    """Teams: a message card."""
    section: Payload = {"activityTitle": telling.text, "activitySubtitle": str(key)}
    if listed:
        section["facts"] = [{"name": title, "value": value} for title, value in listed]
    return {
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": "FF0000" if telling.severity == "error" else "0076D7",
        "summary": str(key),
        "sections": [section],
    }


def gchat(key: CanaryKey, target: AlertTarget, telling: Telling, listed: Fields) -> Payload:
    """Google Chat: one card with a paragraph for the text and for each field."""
    paragraphs = [telling.text, *(f"<b>{title}:</b> {value}" for title, value in listed)]
    widgets = [{"textParagraph": {"text": text}} for text in paragraphs]
    return {"cards": [{"header": {"title": "Flagger", "subtitle": str(key)}, "sections": [{"widgets": widgets}]}]}


SHAPES: Mapping[str, Callable[[CanaryKey, AlertTarget, Telling, Fields], Payload]] = {
    "slack": slack,
    "discord": slack,
    "rocket": rocket,
    "teams": teams,
    "gchat": gchat,
}


def payload(key: CanaryKey, policy: Policy, target: AlertTarget, telling: Telling) -> Payload:
    """What is posted to a target."""
    return SHAPES.get(target.type, slack)(key, target, telling, fields(key, policy, telling))


def address(target: AlertTarget, secret: Mapping[str, bytes]) -> tuple[str, dict[str, str]]:
    """Where it is posted, and with which headers; both may come from a Secret."""
    url = secret["address"].decode().strip() if "address" in secret else target.address
    if target.type == "discord" and not url.endswith("/slack"):
        url += "/slack"
    token = secret.get("token", b"").decode().strip()
    return url, {"Authorization": f"Bearer {token}"} if token and target.type == "slack" else {}

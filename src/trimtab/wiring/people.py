"""Tells people what a pipeline did: Slack, or a webhook, by the addresses that the environment gives. Called by the faces.

An address is as good as a password, so it comes from the environment alone and is never shown.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

import msgspec

from trimtab.adapters.clock import SystemClock
from trimtab.adapters.notify import alerts
from trimtab.adapters.notify.teller import HttpTeller
from trimtab.adapters.outgoing import outgoing_session
from trimtab.adapters.proxies import proxy_for
from trimtab.errors import InputError
from trimtab.model.names import CanaryKey
from trimtab.model.policy import AlertTarget
from trimtab.model.tellings import Telling, TellingKind
from trimtab.ports import Clock
from trimtab.promotion.outcome import Outcome
from trimtab.promotion.text import short

SLACK, WEBHOOK = "TRIMTAB_SLACK_URL", "TRIMTAB_WEBHOOK_URL"
TRIES = 3


async def tell(outcome: Outcome, environment: Mapping[str, str], clock: Clock | None = None) -> tuple[str, ...]:
    """Tells whoever is to be told; a line for each who could not be reached. A rollback is not undone by that."""
    clock = clock or SystemClock()
    told = Telling("outcome", TellingKind.ALERT, clock.now(), "Failed", f"{outcome.app}: {outcome.text}", "RolledBack", "error")
    key, content = CanaryKey(outcome.target, outcome.app), short(outcome.content)
    bodies: dict[str, Callable[[AlertTarget], object]] = {
        SLACK: lambda target: alerts.slack(key, target, told, [("Commit", outcome.commit[:10]), ("Content", content)]),
        WEBHOOK: lambda _: {
            "event": outcome.word, "app": outcome.app, "target": outcome.target, "text": outcome.text, "content": outcome.content,
            "evidence": outcome.evidence, "commit": outcome.commit, "url": outcome.url,
        },
    }  # fmt: skip
    problems = []
    async with outgoing_session() as session:
        teller = HttpTeller(session, clock, _no_secrets)
        for name, body in bodies.items():
            if not environment.get(name):
                continue
            kind, address = "slack" if name == SLACK else "webhook", environment[name]
            target = AlertTarget(name, "error", kind, address, proxy=proxy_for(address, environment))
            for count in range(TRIES):
                reply = await teller.post(target, msgspec.json.encode(body(target)))
                if reply.good or not reply.again or count == TRIES - 1:
                    break
                await clock.sleep_until(clock.now() + timedelta(seconds=reply.after or 2.0**count))
            problems += [] if reply.good else [f"{name} was not told: {reply.text or 'refused with a server error'}"]
    return tuple(problems)


async def _no_secrets(namespace: str, name: str) -> Mapping[str, bytes]:
    raise InputError(f"there is no Secret {name} here")

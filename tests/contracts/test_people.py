"""People are told of a rollback, by addresses that nobody gets to see."""

import asyncio

from trimtab.promotion.outcome import Outcome, Word
from trimtab.testing.jumping import JumpingClock
from trimtab.testing.receiver import receiver
from trimtab.wiring.people import SLACK, WEBHOOK, tell

DONE = Outcome(Word.ROLLED_BACK, "canary has what stable has again", "shop", "canary", "sha256:abc", "e", "fail", "main", "c" * 40)


def test_slack_and_a_webhook_are_told_and_trouble_names_no_address() -> None:
    async def work() -> None:
        async with receiver() as place:
            place.says("/slack", (503, ""), (200, "ok"))
            place.says("/hook", (404, "gone"))
            problems = await tell(DONE, {SLACK: f"{place.address}/slack", WEBHOOK: f"{place.address}/hook"}, JumpingClock())
            slack, hook = [[seen.told for seen in place.seen if seen.path == path] for path in ("/slack", "/hook")]
            assert len(slack) == 2 and "shop: canary has what stable has again" in str(slack[-1])
            assert hook == [
                {
                    "event": "rolled-back", "app": "shop", "target": "canary", "text": DONE.text, "content": "sha256:abc", "evidence": "e",
                    "commit": "c" * 40, "url": "",
                }
            ]  # fmt: skip
            assert len(problems) == 1 and problems[0].startswith(WEBHOOK) and place.address not in problems[0]

    asyncio.run(work())


def test_nobody_is_told_where_no_address_is_given() -> None:
    assert asyncio.run(tell(DONE, {})) == ()


def test_people_are_told_through_the_proxy_that_the_environment_names() -> None:
    async def work() -> None:
        async with receiver() as proxy:
            around = {WEBHOOK: "http://chat.test/hook", "HTTP_PROXY": proxy.address}
            assert await tell(DONE, around, JumpingClock()) == ()
            assert [seen.path for seen in proxy.seen] == ["/hook"]
            spared = await tell(DONE, {**around, "NO_PROXY": ".test"}, JumpingClock())
            assert spared and len(proxy.seen) == 1

    asyncio.run(work())

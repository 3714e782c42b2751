"""Smoke checks of a pipeline: requests, and commands of the repository. Called by `monitoring`."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp

from trimtab.adapters.proxies import proxy_for
from trimtab.adapters.rendering.tool import run
from trimtab.adapters.smoke import Answered, ask
from trimtab.documents.durations import parse_duration
from trimtab.documents.pipeline import Smoke
from trimtab.errors import InputError, Unavailable
from trimtab.ports import Clock

TRIES, AGAIN = 3, timedelta(seconds=2)
"""How often a check is asked, and what lies between: the way to new pods opens a little after they are ready."""
OURS = (
    "TRIMTAB_FINGERPRINT_KEY", "TRIMTAB_FORGE_TOKEN", "TRIMTAB_PROMETHEUS_TOKEN", "TRIMTAB_SLACK_URL", "TRIMTAB_WEBHOOK_URL",
)  # fmt: skip
"""Variables that are nobody's business but ours: commands do not get them."""


@dataclass(frozen=True, slots=True)
class Smoking:
    """Who asks. Commands run in `folder`, the repository's root, without a shell."""

    session: aiohttp.ClientSession
    clock: Clock
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    async def check(self, smoke: Smoke) -> Answered:
        """One check, asked again where the answer is not as it must be. InputError or Unavailable where it cannot be asked at all."""
        for count in range(TRIES):
            found = await (self.commanded(smoke, smoke.command) if smoke.command else self.requested(smoke))
            if not found.wrong or count == TRIES - 1:
                return found
            await self.clock.sleep_until(self.clock.now() + AGAIN)
        raise AssertionError("the last try returns")

    async def requested(self, smoke: Smoke) -> Answered:
        """One request."""
        return await ask(self.session, self.clock, smoke, proxy_for(smoke.url or "", self.environment))

    async def commanded(self, smoke: Smoke, command: tuple[str, ...]) -> Answered:
        """One command. What it says on standard error is for people, and may hold anything, so it is in no evidence."""
        name = command[0]
        program = shutil.which(str(self.folder / name) if "/" in name else name, path=self.environment.get("PATH"))
        if program is None:
            raise InputError(f"smoke check {smoke.name}: there is no program {name} that can be run. Correct its command in trimtab.yaml")
        own = {variable: value for variable, value in self.environment.items() if variable not in OURS}
        began, within = self.clock.now(), parse_duration(smoke.within)
        try:
            ended = await run(program, command[1:], self.folder, own, within.total_seconds())
        except Unavailable as problem:
            return Answered(str(problem))
        taken = (self.clock.now() - began).total_seconds()
        return Answered("" if ended.code == 0 else f"{name} ended with {ended.code}", f"ended with 0 in {taken:.2f} s", ended.errors)

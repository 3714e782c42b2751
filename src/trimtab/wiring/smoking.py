"""Smoke checks of a pipeline: requests, and commands of the repository. Called by `monitoring`."""

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
from trimtab.wiring.commands import program_of, variables_of

TRIES, AGAIN = 3, timedelta(seconds=2)
"""How often a check is asked, and what lies between: the way to new pods opens a little after they are ready."""


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
        program = program_of(command, self.folder, self.environment)
        if program is None:
            raise InputError(f"smoke check {smoke.name}: there is no program {name} that can be run. Correct its command in trimtab.yaml")
        began, within = self.clock.now(), parse_duration(smoke.within)
        try:
            ended = await run(program, command[1:], self.folder, variables_of(self.environment), within.total_seconds())
        except Unavailable as problem:
            return Answered(str(problem))
        taken = (self.clock.now() - began).total_seconds()
        return Answered("" if ended.code == 0 else f"{name} ended with {ended.code}", f"ended with 0 in {taken:.2f} s", ended.errors)

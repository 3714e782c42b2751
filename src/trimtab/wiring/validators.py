"""Validators of one's own: commands of trimtab.yaml that get what a target renders to on standard input. Called by `checking`.

They get one `kind: List` as JSON, which is YAML too, without the values of Secrets; they run in the repository's root, without a shell.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from trimtab.adapters.rendering.tool import Output, run
from trimtab.config.hiding import shown
from trimtab.documents.durations import parse_duration
from trimtab.documents.pipeline import Validator
from trimtab.errors import Unavailable
from trimtab.inspection.catalogue import severity_of
from trimtab.model.content import Finding
from trimtab.model.rendered import Rendered
from trimtab.wiring.commands import program_of, variables_of
from trimtab.wiring.pipeline import Project

MOST = 10
"""Lines of what a validator says that are told."""
LONGEST = 300


@dataclass(frozen=True, slots=True)
class Validating:
    """Runs the validators of a project."""

    project: Project
    environment: Mapping[str, str] = field(repr=False)

    async def findings(self, target: Rendered) -> list[Finding]:
        """What each of them says about a target. Unavailable where one cannot be started or does not end in time."""
        written = self.project.document.spec.check
        found: list[Finding] = []
        for index, validator in enumerate(written.validators if written is not None else ()):
            done = await self._run(validator, target)
            if done.code != 0:
                line = self.project.written.line_of(("spec", "check", "validators", index))
                found.append(self._finding(validator, done, line))
        return found

    async def _run(self, validator: Validator, target: Rendered) -> Output:
        name, root = validator.command[0], self.project.root
        program = program_of(validator.command, root, self.environment)
        if program is None:
            raise Unavailable(f"validator {validator.name}: there is no program {name} that can be run. Install it, or correct its command")
        own = variables_of(self.environment)
        items = [shown(one, None) for one in target.objects]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()
        deadline = parse_duration(validator.timeout).total_seconds()
        try:
            return await run(program, validator.command[1:], root, {**own, "TRIMTAB_TARGET": target.name}, deadline, text)
        except Unavailable as problem:
            raise Unavailable(f"validator {validator.name}: {problem}") from None

    def _finding(self, validator: Validator, done: Output, line: int) -> Finding:
        said = list(_lines(done.out)) or list(_lines(done.errors)) or ["says nothing"]
        more = f"; and {len(said) - MOST} lines more" if len(said) > MOST else ""
        problem = f"{validator.name} ended with {done.code}: {'; '.join(said[:MOST])}{more}"
        return Finding("check/validator", severity_of("check/validator"), problem, file=self.project.file, line=line)


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.strip():
            yield line.strip()[:LONGEST]

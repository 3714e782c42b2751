"""A repository with a canary and a stable target of plain manifests, evidence about it, and a forge in memory beside it."""

import asyncio
import itertools
import os
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from contracts.git_places import QUIET, commit, git, shared
from trimtab.adapters.git.branches import Branches
from trimtab.adapters.git.journal import Journal
from trimtab.adapters.git.process import Git, Output
from trimtab.documents.decode import read_documents
from trimtab.documents.pipeline import App, Promotion, Target
from trimtab.model.content import Content
from trimtab.model.forge import BranchCommit
from trimtab.promotion.content import Key
from trimtab.promotion.evidence import Evidence, Figure, Run, Verdict, Window, encode
from trimtab.promotion.journal import Record, problems
from trimtab.promotion.outcome import Outcome
from trimtab.promotion.proof import Picture
from trimtab.testing.forge import Hub, MemoryForge
from trimtab.wiring.promoting import Promoting, Wish
from trimtab.wiring.rolling_back import Back, RollingBack
from trimtab.wiring.workshop import Edge, Workshop

T = TypeVar("T")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MAIN, BRANCH = "refs/heads/main", "refs/heads/trimtab/shop/stable"
CONFIG = """apiVersion: v1
kind: ConfigMap
metadata:
  name: app-config
data:
  level: {level}   # how much is logged
  pool: '{pool}'
"""
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: app}}}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec: {{containers: [{{name: app, image: app}}]}}
"""


TICKS = itertools.count()


def later() -> datetime:
    """A second later each time, so that nothing is the same by accident."""
    return AT + timedelta(seconds=next(TICKS))


def run(work: Coroutine[object, object, T]) -> T:
    return asyncio.run(work)


async def paint_plain(branches: Branches, at: str, target: Target) -> Picture:
    """What plain manifests render to: themselves."""
    files = await branches.files(at, target.path or "")
    blobs = await branches.objects.read(file.blob for file in files)
    values: dict[Key, bytes] = {}
    others: dict[str, object] = {}
    for file in files:
        for found in read_documents(blobs[file.blob].decode(), file.path):
            if isinstance(found.value, Content):
                values |= {Key(found.value.name, key): value for key, value in found.value.data.items()}
            else:
                others[f"{found.kind}/{found.name}"] = found.document.value
    return Picture(values, others)


@dataclass
class Shop:
    """One clone of the repository, with what promotes in it."""

    origin: Path
    clone: Path
    forge: MemoryForge | None
    promotion: Promotion = field(default_factory=Promotion)
    environment: Mapping[str, str] = field(default_factory=dict)
    run_id: str = "100"

    @property
    def edge(self) -> Edge:
        canary, stable = (
            Target(name="canary", path="canary"),
            Target(name="stable", path="stable", from_="canary", promotion=self.promotion),
        )
        return Edge(App(name="shop", rendering="plain", targets=(canary, stable)), canary, stable, "main")

    git: type[Git] = Git

    @property
    def branches(self) -> Branches:
        return Branches(self.clone / ".git", self.git({**os.environ, **QUIET, **self.environment}))

    @property
    def workshop(self) -> Workshop:
        branches = self.branches

        async def paint(at: str, _: App, target: Target) -> Picture:
            return await paint_plain(branches, at, target)

        return Workshop(branches, Journal(branches), paint, later, self.run_id, "ci")

    def change(self, target: str, level: str, pool: int, message: str = "a change", **more: str) -> str:
        """Somebody changes a target on main; the commit."""
        git(self.clone, "fetch", "--quiet", "origin", "main")
        git(self.clone, "reset", "--quiet", "--hard", "FETCH_HEAD")
        made = commit(self.clone, message, {f"{target}/config.yaml": CONFIG.format(level=level, pool=pool), **more})
        git(self.clone, "push", "--quiet", "origin", "HEAD:main")
        return made

    def evidence(self, judgement: str = "pass", at: str = "") -> bytes:
        """What a judge would write about the canary now."""

        async def made() -> bytes:
            shop, edge = self.workshop, self.edge
            head = at or await shop.head(MAIN)
            found = await shop.judged(head, edge.app, edge.source)
            figures = (Figure(metric="request-success-rate", judgement="pass", canary="99.95 %", stable="99.94 %"),)
            verdict = Verdict(judgement=judgement, text="errors as before", figures=figures)  # type: ignore[arg-type]
            return encode(
                Evidence(
                    app="shop", target="canary", commit=head, source=found.source, content=found.content, keys=found.keys,
                    window=Window(began=AT, ended=AT), verdict=verdict, run=Run(id=self.run_id),
                )
            )  # fmt: skip

        return run(made())

    def promote(self, evidence: bytes = b"", *, dry: bool = False) -> Outcome:
        return run(Promoting(self.workshop, self.edge, self.forge).run(Wish(evidence, "evidence.json", dry)))

    def roll_back(self, evidence: bytes = b"", reason: str = "", *, dry: bool = False) -> Outcome:
        return run(RollingBack(self.workshop, self.edge, self.forge).run(Back(evidence, "evidence.json", reason, dry)))

    def journal(self) -> Sequence[Record]:
        """All entries, whose chain holds and whose heads protected history carries."""

        async def read() -> Sequence[Record]:
            found = await self.workshop.journal.read()
            assert problems(found, await self.workshop.journal.mentions(await self.workshop.head(MAIN))) == ()
            return found

        return run(read())

    def kinds(self) -> list[str]:
        return [f"{record.entry.kind} {record.entry.target}" for record in self.journal()]

    def at_origin(self, name: str) -> str:
        return git(self.origin, "show", name)

    def merge(self) -> None:
        """Somebody merges the branch, squashed as forges do it."""
        git(self.clone, "fetch", "--quiet", "origin", "main", BRANCH)
        git(self.clone, "checkout", "--quiet", "--detach", "FETCH_HEAD")
        git(self.clone, "reset", "--quiet", "--hard", git(self.origin, "rev-parse", MAIN))
        message = git(self.origin, "log", "-1", "--format=%B", BRANCH)
        git(self.clone, "merge", "--quiet", "--squash", git(self.origin, "rev-parse", BRANCH))
        git(self.clone, "commit", "--quiet", "--message", f"Squashed (#1)\n\n* {message}\n\nCo-authored-by: Ada <ada@example.org>")
        git(self.clone, "push", "--quiet", "origin", "HEAD:main")


def shop(folder: Path, *, forge: bool = True, **options: object) -> Shop:
    """A canary with another pool size than stable, judged by nobody yet."""
    origin, clone = shared(
        folder,
        {
            "canary/config.yaml": CONFIG.format(level="info", pool=20), "canary/deployment.yaml": DEPLOYMENT.format(replicas=1),
            "stable/config.yaml": "# stable's own\n" + CONFIG.format(level="info", pool=10),
            "stable/deployment.yaml": DEPLOYMENT.format(replicas=9), "readme.md": "x",
        },
    )  # fmt: skip

    def log(base: str, head: str) -> list[BranchCommit]:
        shape = "--format=%H%x00%ae%x00%ce%x00%B%x01"
        rows = [
            part.strip("\n").split("\0") for part in git(origin, "log", "--reverse", shape, f"{base}..{head}").split("\1") if "\0" in part
        ]
        return [BranchCommit(one, "", email, committer, message) for one, email, committer, message in rows]

    made = Shop(origin, clone, MemoryForge(Hub(log)) if forge else None)
    return replace(made, **options)  # type: ignore[arg-type]


def dying_git(number: int, moment: str) -> type[Git]:
    """A git whose `number`th push is the last thing that this process sees, before it or after it took place."""
    pushes = itertools.count(1)

    class Dying(Git):
        async def run(self, folder: Path, *arguments: str, stdin: bytes = b"", deadline: float = 30.0) -> Output:
            last = "push" in arguments and next(pushes) == number
            if last and moment == "before":
                raise RuntimeError("died")
            output = await super().run(folder, *arguments, stdin=stdin, deadline=deadline)
            if last:
                raise RuntimeError("died")
            return output

    return Dying

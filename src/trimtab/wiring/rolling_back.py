"""Puts a canary back to the content of the target that follows it, after a verdict. Called by the faces for `trimtab rollback`.

Only what was judged goes back: a newer change stays, and one that the verdict is about is left for people. The journal holds the
content from then on, so that nothing tries it again by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from trimtab.errors import Denied, InputError
from trimtab.model.forge import Edit, NewPullRequest, RequestState
from trimtab.ports import Forge
from trimtab.promotion import asking, text, trust
from trimtab.promotion.content import content_digest
from trimtab.promotion.evidence import Evidence
from trimtab.promotion.journal import Entry, Kind, about, newest_evidence
from trimtab.promotion.merging import Move
from trimtab.promotion.outcome import Outcome, Word
from trimtab.promotion.plan import named, source_ids
from trimtab.promotion.sides import Side, listed
from trimtab.promotion.text import Story
from trimtab.wiring.workshop import Draft, Edge, Expected, Proof, Workshop, algorithm, shared_files, undisputed


@dataclass(frozen=True, slots=True)
class Back:
    """What was asked for. Without evidence the newest of the journal counts, and where that is no reason, `reason` must be one."""

    evidence: bytes = field(default=b"", repr=False)
    file: str = ""
    reason: str = ""
    dry: bool = False


class RollingBack:
    """One rollback of an edge's source to what its receiver has."""

    def __init__(self, shop: Workshop, edge: Edge, forge: Forge | None) -> None:
        self.shop, self.edge, self.forge = shop, edge, forge
        self.branch = f"trimtab/{edge.app.name}/{edge.source.name}"

    async def run(self, asked: Back) -> Outcome:
        """From a verdict, or a person's reason, to the commit. InputError where a newer change stands in the way."""
        return await undisputed(partial(self._once, asked))

    async def _once(self, asked: Back) -> Outcome:
        shop, edge = self.shop, self.edge
        base = await shop.base(edge, dry=asked.dry)
        proof = await self._proof(asked)
        before = await self._judged(proof, base)
        draft = await shop.draft(base, (edge.app, edge.receiver, edge.source), before, Expected(Move.ROLL_BACK, lambda _: None))
        content = proof.evidence.content if proof is not None else (await self._present(base))
        lead = f"`{edge.source.name}` was judged, and goes back to what `{edge.receiver.name}` has."
        name, evidence = (proof.name, proof.evidence) if proof is not None else ("", None)
        story = Story(edge.app.name, edge.receiver.name, edge.source.name, content, name, evidence, draft.changes, (), lead)
        if not draft.commit:
            told = f"{edge.source.name} has what {edge.receiver.name} has already; there is nothing to roll back"
            told += f", and newer changes stay: {named(draft.plan.left)}" if draft.plan.left else ""
            return self._outcome(Word.NOTHING, story, told)
        if asked.dry:
            done = self._outcome(Word.PLANNED, story, f"{edge.source.name} would get this")
            return replace(done, patch=await shop.patch(draft))
        return await self._put_back(story, draft, proof, asked)

    async def _proof(self, asked: Back) -> Proof | None:
        edge, records = self.edge, await self.shop.records(dry=asked.dry)
        name = f"{edge.app.name}/{edge.source.name}"
        data = asked.evidence or newest_evidence(records, edge.app.name, edge.source.name) or b""
        proof = Proof.of(data, asked.file or "the evidence in the journal") if data else None
        if proof is not None:
            trust.about(proof.evidence, edge.app.name, edge.source.name)
        if proof is not None and asked.evidence:
            trust.accepted(data, proof.evidence, records, self.shop.run)
        if proof is not None and proof.evidence.verdict.judgement != "pass":
            return proof
        if asked.reason:
            return None
        why = f"the verdict on {name} is pass" if proof is not None else f"there is no evidence about {name}"
        raise InputError(f"{why}, so there is no reason to roll back. If there is one, say it with --reason")

    async def _judged(self, proof: Proof | None, base: str) -> Side:
        """The canary as it was judged; without a verdict, as it is."""
        edge = self.edge
        commit = await self.shop.available(proof.evidence.commit) if proof is not None else base
        side = await self.shop.side(commit, edge.app, edge.source)
        if proof is not None:
            _same_source(proof.evidence, source_ids(side, shared_files(edge.app, edge.source), algorithm(commit)))
        return side

    async def _present(self, base: str) -> str:
        return content_digest((await self.shop.paint(base, self.edge.app, self.edge.source)).values, self.shop.secret)

    def _outcome(self, word: Word, story: Story, said: str) -> Outcome:
        return Outcome(word, said, story.app, story.target, story.content, story.evidence, story.judgement, changes=story.changes)

    async def _put_back(self, story: Story, draft: Draft, proof: Proof | None, asked: Back) -> Outcome:
        shop = self.shop
        verdict, why = story.judgement, asked.reason or (story.proof.verdict.text if story.proof is not None else "")
        entry = Entry(
            kind=Kind.ROLLED_BACK, at=shop.now(), app=story.app, target=story.target, actor=shop.actor, content=story.content,
            evidence=story.evidence, verdict=verdict, run=shop.run, text=why,
            commit=proof.evidence.commit if proof is not None else draft.base,
        )  # fmt: skip
        records = await shop.noted(
            entry, proof, lambda found: any(_says_the_same(one, entry) for one in about(found, story.app, story.target)[-1:])
        )
        reason = f"verdict {verdict}" if proof is not None else "by hand"
        tree = await shop.tree_of(draft.commit)
        trailers = {
            "Rollback": f"{story.app}/{story.target}", "To": story.source, "Content": story.content, "Verdict": verdict,
            "Evidence": story.evidence, "Reason": why, "Journal": records[-1].hash, "Tree": tree,
        }  # fmt: skip
        first = f"Roll back {story.app}/{story.target}: {reason}"
        commit = await shop.branches.commit_of(tree, text.message(first, story, trailers), (draft.base,), shop.now())
        left = (f"newer changes stay: {named(draft.plan.left)}",) if draft.plan.left else ()
        try:
            await shop.branches.publish(self.edge.ref, commit, draft.base)
        except Denied as denied:
            if self.forge is None:
                raise
            return replace(await self._requested(self.forge, story, commit, first), notes=(f"{denied}", *left))
        done = self._outcome(Word.ROLLED_BACK, story, f"{story.target} has what {story.source} has again, by commit {commit[:10]}")
        return replace(done, branch=self.edge.branch, commit=commit, notes=left)

    async def _requested(self, forge: Forge, story: Story, commit: str, first: str) -> Outcome:
        """Where the branch is protected from us too, people are asked."""
        ref = f"refs/heads/{self.branch}"
        head = await self.shop.branches.newest(ref)
        base = await self.shop.head(self.edge.ref)
        if head is not None and asking.foreign(await self.shop.between(base, head)):
            return replace(self._outcome(Word.FOREIGN, story, f"{self.branch} has commits by others and is left alone"), branch=self.branch)
        await self.shop.branches.publish(ref, commit, head)
        request = await forge.pull_request(self.branch, self.edge.branch)
        body = text.body(story, f"Merge to put {story.target} back to what {story.source} has.", forge.longest_body)
        if request is None or request.state is not RequestState.OPEN:
            request, operation = await forge.open_pull_request(NewPullRequest(self.branch, self.edge.branch, first, body)), "created"
        else:
            await forge.edit(request, Edit(first, text.merged_body(request.body, body)))
            operation = "updated"
        done = self._outcome(Word.WAITING, story, f"{request.url} asks to put {story.target} back")
        return replace(done, branch=self.branch, commit=commit, url=request.url, number=request.number, operation=operation)


def _says_the_same(one: Entry, other: Entry) -> bool:
    return (one.kind, one.content, one.evidence, one.text) == (other.kind, other.content, other.evidence, other.text)


def _same_source(evidence: Evidence, found: Mapping[str, str]) -> None:
    """The commit that evidence names must have the files that it names. InputError otherwise."""
    wrong = sorted(name for name in {*found, *evidence.source} if found.get(name) != evidence.source.get(name))
    if wrong:
        raise InputError(f"the evidence names commit {evidence.commit[:10]} but other contents of {listed(wrong)} than it has")

"""Brings judged content into the next target: by pull request, push, or issue. Called by the faces for `trimtab promote`.

Record, then act: the journal has evidence and proposal before a branch is pushed, and each commit carries the journal's head. What is
there is looked at anew in every run, so a run that died, or two at once, lead to the same pull request.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from trimtab.errors import Conflict, Denied, InputError
from trimtab.model.forge import CommitStatus, Edit, NewPullRequest, PullRequest, RequestState, StatusState
from trimtab.ports import Forge
from trimtab.promotion import asking, text, trust
from trimtab.promotion.carried import carriers
from trimtab.promotion.journal import Entry, Kind, Record, about, held, newest_evidence
from trimtab.promotion.merging import Move
from trimtab.promotion.outcome import Outcome, Word
from trimtab.promotion.text import Story
from trimtab.wiring.issues import NO_MORE, About, Asked, Issues
from trimtab.wiring.workshop import Draft, Edge, Expected, Proof, Workshop, undisputed

NEGATIVE = {"fail": Word.FAILED, "inconclusive": Word.INCONCLUSIVE, "no-data": Word.NO_DATA}


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for. `evidence` empty: the newest of the journal."""

    evidence: bytes = b""
    file: str = ""
    dry: bool = False


class Promoting:
    """One promotion along one edge. `forge` is None where pull requests cannot be opened."""

    def __init__(self, shop: Workshop, edge: Edge, forge: Forge | None) -> None:
        self.shop, self.edge, self.forge = shop, edge, forge
        self.branch = f"trimtab/{edge.app.name}/{edge.receiver.name}"
        self.ref = f"refs/heads/{self.branch}"

    async def run(self, wish: Wish) -> Outcome:
        """From evidence to what came of it. InputError where nothing may be done; each outside trouble as it is."""
        return await undisputed(partial(self._once, wish))

    async def _once(self, wish: Wish) -> Outcome:
        shop, edge = self.shop, self.edge
        base, records = await shop.base(edge, dry=wish.dry), await shop.records(dry=wish.dry)
        request = await self._request(wish)
        if not wish.dry:
            await self._settled(records, base, request)
        proof = self._proof(wish, records)
        refused = self._refused(proof, records)
        if refused is not None:
            return refused
        last = await self._last_promotion(base, request, records if records or not wish.dry else None)
        before = await shop.side(last, edge.app, edge.receiver) if last is not None else None
        expected = Expected(Move.PROMOTE, lambda found: trust.matching(proof.evidence, found))
        draft = await shop.draft(base, (edge.app, edge.source, edge.receiver), before, expected)
        story = self._story(proof, draft)
        if wish.dry:
            patch = await shop.patch(draft)
            said = f"{edge.receiver.name} would get this" if patch else self._has_it()
            return replace(self.outcome(Word.PLANNED, story, said), patch=patch)
        if not draft.commit:
            return await self._nothing(story, base, request, records)
        match edge.promotion.by:
            case "push":
                return await self._pushed(story, draft, proof, NO_MORE)
            case "issue":
                asked = Asked(story, proof, partial(self._pushed, story, draft, proof))
                return await Issues(self._forge(), edge.promotion, self.note, self.outcome).ask(asked, records)
        return await self._requested(story, draft, proof, request)

    async def _request(self, wish: Wish) -> PullRequest | None:
        """The pull request that is open, else the newest that ended."""
        if wish.dry or self.forge is None or self.edge.promotion.by != "pull-request":
            return None
        return await self.forge.pull_request(self.branch, self.edge.branch)

    def _proof(self, wish: Wish, records: Sequence[Record]) -> Proof:
        edge = self.edge
        if wish.evidence:
            proof = Proof.of(wish.evidence, wish.file)
            trust.about(proof.evidence, edge.app.name, edge.source.name)
            trust.accepted(wish.evidence, proof.evidence, records, self.shop.run)
            return proof
        found = newest_evidence(records, edge.app.name, edge.source.name)
        if found is None:
            raise InputError(
                f"there is no evidence about {edge.app.name}/{edge.source.name} in the journal. `trimtab monitor` "
                "makes it; give its file with --evidence"
            )
        return Proof.of(found, "the evidence in the journal")

    def _refused(self, proof: Proof, records: Sequence[Record]) -> Outcome | None:
        """Why nothing is promoted, where the newest verdict on the content or a person speaks against it."""
        edge = self.edge
        evidence, said = trust.newest(proof.name, proof.evidence, records)
        name = (edge.app.name, edge.receiver.name, said.content, evidence, said.verdict.judgement)
        if said.verdict.judgement in NEGATIVE:
            reason = f": {said.verdict.text}" if said.verdict.text else ""
            which = "verdict" if evidence == proof.name else "newest verdict"
            told = f"the {which} on {edge.app.name}/{edge.source.name} is {said.verdict.judgement}{reason}; nothing is promoted"
            return Outcome(NEGATIVE[said.verdict.judgement], told, *name)
        back = held(about(records, edge.app.name, edge.source.name), said.content)
        if back is None:
            return None
        told = (
            f"this content was rolled back on {back.at:%Y-%m-%d %H:%M} UTC ({back.text or back.verdict}) and is held. "
            f"`trimtab retry --in repo {edge.app.name}/{edge.source.name}` lets it go on"
        )
        return Outcome(Word.HELD, told, *name)

    async def _last_promotion(self, base: str, request: PullRequest | None, records: Sequence[Record] | None) -> str | None:
        """The commit that brought the last promotion: the newest that carries one of the journal's, or what the forge made of our pull
        request. `records` is None where the journal is not known here.

        A forge may be set up to squash under a message of its own, without trailers.
        """
        await self.shop.branches.whole_history(self.edge.ref)
        found = await self._carrier(base, records)
        merged = request.merge_commit if request is not None and request.state is RequestState.MERGED else ""
        if not merged or not await self.shop.within(merged, base):
            return found
        return merged if found is None or await self.shop.within(found, merged) else found

    async def _carrier(self, base: str, records: Sequence[Record] | None) -> str | None:
        """The newest commit that brings a promotion which the journal knows. Anybody can write a message, so more than that counts."""
        edge, shop = self.edge, self.shop
        there = await shop.carrying(base, f"Trimtab-Promotion: {edge.app.name}/{edge.receiver.name}")
        if records is not None:
            there = carriers(there, records, edge.app.name, edge.receiver.name)
        files = edge.receiver.values or ((edge.receiver.path or "").strip("/") or ".",)
        for commit in there:
            if await shop.changes_any(commit.id, files):
                return commit.id
        return None

    def _story(self, proof: Proof, draft: Draft) -> Story:
        edge, plan = self.edge, draft.plan
        notes = [f"stays as it is in {edge.receiver.name}: {text.one_line(name)}" for name in plan.apart]
        return Story(
            edge.app.name, edge.source.name, edge.receiver.name, draft.judged.content, proof.name, proof.evidence, draft.changes, notes
        )

    def outcome(self, word: Word, story: Story, said: str) -> Outcome:
        """How it ended, with all that is known of what it was about."""
        name = (story.app, story.target, story.content, story.evidence, story.judgement)
        return Outcome(word, said, *name, changes=story.changes, notes=tuple(story.notes))

    def _has_it(self) -> str:
        return f"{self.edge.receiver.name} has this content already"

    async def note(self, kind: Kind, story: Story, proof: Proof | None = None, about_it: About = NO_MORE) -> str:
        """An entry, unless the newest one about this target says it already; the journal's head.

        Conflict where something speaks against it since the journal was read: it is asked under the same compare-and-swap.
        """
        entry = Entry(
            kind=kind, at=self.shop.now(), app=story.app, target=story.target, content=story.content, evidence=story.evidence,
            actor=about_it.actor or self.shop.actor, verdict=story.judgement, run=self.shop.run, commit=about_it.commit,
            request=about_it.request, text=about_it.text,
        )  # fmt: skip

        def there(records: Sequence[Record]) -> bool:
            if proof is not None and self._refused(proof, records) is not None:
                raise Conflict(f"the content of {story.app}/{story.source} was judged anew or rolled back meanwhile")
            found = about(records, story.app, story.target)
            last = found[-1] if found else entry
            same = (last.kind, last.content, last.evidence) == (kind, story.content, story.evidence)
            return bool(found) and same and about_it.request in ("", last.request)

        records = await self.shop.noted(entry, proof, there)
        return records[-1].hash

    async def _settled(self, records: Sequence[Record], base: str, request: PullRequest | None) -> None:
        """Notes a promotion that people merged since the last run."""
        entries = about(records, self.edge.app.name, self.edge.receiver.name)
        last = entries[-1] if entries else None
        if last is None or last.kind not in (Kind.PROPOSED, Kind.APPROVED):
            return
        commit = await self._last_promotion(base, request, records)
        carried = await self.shop.content_of(commit) if commit is not None else ""
        if commit is not None and (last.content == carried or (asking.merged(request, last.content) and request.merge_commit == commit)):
            story = Story(last.app, self.edge.source.name, last.target, last.content, last.evidence, None, ())
            url, who = (request.url, await self._approvers(request)) if asking.merged(request, last.content) else ("", "")
            await self.note(Kind.PROMOTED, story, None, About(commit, url, text=who))

    async def _approvers(self, request: PullRequest) -> str:
        """Who approved what was merged, for the journal."""
        reviews = await self._forge().reviews(request)
        logins = [review.by for review in reviews if review.approves and review.current]
        return f"approved by {', '.join(logins)}" if logins else ""

    async def _nothing(self, story: Story, base: str, request: PullRequest | None, records: Sequence[Record]) -> Outcome:
        """The receiver has the content: a pull request or issue that is still open has no purpose any more."""
        done = self.outcome(Word.NOTHING, story, self._has_it())
        if self.forge is not None and self.edge.promotion.by == "issue":
            issue = await Issues(self.forge, self.edge.promotion, self.note, self.outcome).close(story, records)
            return replace(done, url=issue.url, number=issue.number, operation="closed") if issue is not None else done
        if self.forge is None or request is None or request.state is not RequestState.OPEN:
            return done
        head = await self.shop.branches.newest(self.ref)
        if head is not None and asking.foreign(await self.shop.between(base, head)):
            return done
        await self.forge.edit(request, Edit(body=text.settled(request.body), close=True))
        await self.forge.say(request, f"`{story.target}` has this content already, so there is nothing left to promote.")
        if head is not None:
            await self.shop.branches.publish(self.ref, None, head)
        return replace(done, url=request.url, number=request.number, operation="closed")

    async def _requested(self, story: Story, draft: Draft, proof: Proof, request: PullRequest | None) -> Outcome:
        """One pull request for each app and target, made anew from the base each time, so that creating and updating come to the same."""
        forge = self._forge()
        if request is not None and asking.declined(request, story.content):
            await self.note(Kind.DECLINED, story, None, About(request=request.url))
            said = f"{request.url} was closed: this content was declined. Reopen it, or change the content"
            return replace(self.outcome(Word.DECLINED, story, said), url=request.url, number=request.number)
        head = await self.shop.branches.newest(self.ref)
        there = await self.shop.between(draft.base, head) if head is not None else ()
        others = asking.foreign(there)
        if others:
            said = (
                f"{self.branch} has commits by others ({others[0].id[:10]}) and is left alone. Merge it, or delete the branch to start anew"
            )
            url, number = (request.url, request.number) if request is not None else ("", 0)
            return replace(self.outcome(Word.FOREIGN, story, said), branch=self.branch, url=url, number=number)
        journal = await self.note(Kind.PROPOSED, story, proof, About(proof.evidence.commit))
        commit = head if there and head is not None and await self._current(head, story, draft) else None
        if commit is None:
            commit = await self._commit(story, draft, journal)
            await self.shop.branches.publish(self.ref, commit, head)
        shown, operation = await self._shown(forge, request, story)
        notes = await self._status(forge, commit, story)
        done = self.outcome(Word.PROPOSED, story, f"{shown.url or self.branch} asks to bring it into {story.target}")
        return replace(
            done, branch=self.branch, commit=commit, url=shown.url, number=shown.number, operation=operation, notes=(*done.notes, *notes)
        )

    def _forge(self) -> Forge:
        if self.forge is None:
            raise InputError(
                "no forge is known, so no pull request or issue can be opened. Name it in spec.forge of trimtab.yaml and give a token, "
                "choose `promotion: {by: push}`, or look at the change with --dry-run"
            )
        return self.forge

    async def _current(self, head: str, story: Story, draft: Draft) -> bool:
        """Does the branch bring this content already, into files as they would be now? New evidence for it is no new commit."""
        found = text.trailers_of((await self.shop.between(f"{head}^", head))[0].message)
        return found.get("Content") == story.content and await self.shop.same_files(head, draft.commit, tuple(draft.plan.files))

    async def _commit(self, story: Story, draft: Draft, journal: str, actor: str = "") -> str:
        tree = await self.shop.tree_of(draft.commit)
        said = story.proof
        trailers = {
            "Promotion": f"{story.app}/{story.target}", "From": story.source, "Content": story.content,
            "Judged-Commit": said.commit if said is not None else "", "Verdict": said.verdict.judgement if said is not None else "",
            "Evidence": story.evidence, "Approved-By": actor, "Journal": journal, "Tree": tree,
        }  # fmt: skip
        message = text.message(text.title(story), story, trailers)
        return await self.shop.branches.commit_of(tree, message, (draft.base,), self.shop.now())

    async def _shown(self, forge: Forge, request: PullRequest | None, story: Story) -> tuple[PullRequest, str]:
        """The pull request, open and saying what it should."""
        promotion, how = self.edge.promotion, "Merge to promote; close to decline this content."
        ours = text.body(story, how, forge.longest_body)
        if request is None or request.state is not RequestState.OPEN:
            new = NewPullRequest(
                self.branch,
                self.edge.branch,
                text.title(story),
                text.merged_body("", ours),
                promotion.labels,
                promotion.reviewers,
                promotion.draft,
            )
            return await forge.open_pull_request(new), "created"
        body = text.merged_body(request.body, ours)
        missing = tuple(label for label in promotion.labels if label not in request.labels)
        if body.strip() == request.body.strip() and request.title == text.title(story) and not missing:
            return request, "none"
        await forge.edit(request, Edit(text.title(story), body, missing))
        return request, "updated"

    async def _status(self, forge: Forge, commit: str, story: Story) -> tuple[str, ...]:
        """The verdict as a status of the commit, for branch protection and others who gate on it."""
        context, said = f"trimtab/{story.app}/{story.target}", f"judged: pass; evidence {story.evidence[:16]}"
        url = text.link(story.proof.run.url) if story.proof is not None else ""
        wanted = CommitStatus(context, StatusState.SUCCESS, said, url)
        try:
            if wanted not in await forge.statuses(commit):
                await forge.set_status(commit, wanted)
        except Denied as denied:
            return (f"no commit status was set: {denied}",)
        return ()

    async def _pushed(self, story: Story, draft: Draft, proof: Proof, by: About) -> Outcome:
        """A commit on the protected branch; `by` says who approved it, and where."""
        kind = Kind.APPROVED if by.actor else Kind.PROPOSED
        journal = await self.note(kind, story, proof, replace(by, commit=proof.evidence.commit))
        commit = await self._commit(story, draft, journal, by.actor)
        await self.shop.branches.publish(self.edge.ref, commit, draft.base)
        await self.note(Kind.PROMOTED, story, None, replace(by, commit=commit))
        done = self.outcome(Word.PROMOTED, story, f"{story.target} has it now, by commit {commit[:10]} on {self.edge.branch}")
        return replace(done, branch=self.edge.branch, commit=commit)

"""Promotion by issue: it asks, somebody who may approve says yes, and a later run promotes exactly what was asked for.

Called by `promoting`, which hands in how things are noted in the journal and how a commit gets onto the protected branch.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from trimtab.documents.pipeline import Promotion
from trimtab.model.forge import Edit, Issue, RequestState, same_person
from trimtab.ports import Forge
from trimtab.promotion import asking, text
from trimtab.promotion.journal import Kind, Record, about
from trimtab.promotion.outcome import Outcome, Word
from trimtab.promotion.text import Story
from trimtab.wiring.workshop import Proof


@dataclass(frozen=True, slots=True)
class About:
    """What else an entry of the journal says."""

    commit: str = ""
    request: str = ""
    actor: str = ""
    """Who approved; empty for whoever runs this."""
    text: str = ""


NO_MORE = About()


class Note(Protocol):
    """Puts an entry into the journal, unless it is there; the journal's head."""

    async def __call__(self, kind: Kind, story: Story, proof: Proof | None = None, about_it: About = NO_MORE) -> str:
        """See `Promoting.note`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, and what makes it so."""

    story: Story
    proof: Proof
    push: Callable[[About], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Issues:
    """The issues of one target."""

    forge: Forge
    promotion: Promotion
    note: Note
    outcome: Callable[[Word, Story, str], Outcome]

    async def ask(self, asked: Asked, records: Sequence[Record]) -> Outcome:
        """Asks, waits, or promotes, by what is there."""
        story, proof = asked.story, asked.proof
        issue = await self._newest(story)
        if issue is not None and asking.declined(issue, story.content):
            await self.note(Kind.DECLINED, story, None, About(request=issue.url))
            said = f"{issue.url} was closed: this content was declined. Reopen it, or change the content"
            return replace(self.outcome(Word.DECLINED, story, said), url=issue.url, number=issue.number)
        # By the journal, since whoever may write can change the body of an issue.
        known = _asked_in(issue, story, records)
        if issue is None or not await self._ours(issue, story, known):
            return await self._open(issue, asked)
        if not known:
            await self.note(Kind.PROPOSED, story, proof, About(proof.evidence.commit, issue.url))
        login = await self._approval(issue)
        if login is None:
            who = f"one of {', '.join(self.promotion.approvers)}" if self.promotion.approvers else "somebody who may write"
            done = self.outcome(Word.WAITING, story, f"{issue.url} waits for `{asking.WORD}` or the label {asking.APPROVED} by {who}")
            return replace(done, url=issue.url, number=issue.number)
        done = await asked.push(About(request=issue.url, actor=login))
        await self.forge.say(issue, f"Promoted by commit {done.commit}, approved by {text.cell(login)}.")
        await self.forge.edit(issue, Edit(body=text.settled(issue.body), close=True))
        return replace(done, url=issue.url, number=issue.number, operation="closed")

    async def close(self, story: Story, records: Sequence[Record]) -> Issue | None:
        """Closes an issue of ours that has no purpose any more, as one whose run died after its promotion; which it was."""
        issue = await self._newest(story)
        if issue is None or issue.state is not RequestState.OPEN:
            return None
        if not (_asked_in(issue, story, records) or same_person(issue.author, await self.forge.me())):
            return None
        await self.forge.say(issue, f"`{story.target}` has this content already, so there is nothing left to promote.")
        await self.forge.edit(issue, Edit(body=text.settled(issue.body), close=True))
        return issue

    async def _newest(self, story: Story) -> Issue | None:
        return await self.forge.issue(asking.ASKED, f"trimtab:begin {story.app}/{story.target} content=")

    async def _ours(self, issue: Issue, story: Story, known: set[str]) -> bool:
        """Is this the open issue in which we asked about this content, and about no other?"""
        if issue.state is not RequestState.OPEN or text.content_in(issue.body) != story.content or known - {story.content}:
            return False
        return bool(known) or same_person(issue.author, await self.forge.me())

    async def _open(self, old: Issue | None, asked: Asked) -> Outcome:
        """A new issue; an approval of one about other content must not count for this, so that is closed."""
        story, proof = asked.story, asked.proof
        how = f"Comment `{asking.WORD}`, or set the label `{asking.APPROVED}`, to promote exactly this; close to decline it."
        labels = tuple(dict.fromkeys((asking.ASKED, *self.promotion.labels)))
        body = text.merged_body("", text.body(story, how, self.forge.longest_body))
        issue = await self.forge.open_issue(text.title(story), body, labels)
        await self.note(Kind.PROPOSED, story, proof, About(proof.evidence.commit, issue.url))
        if old is not None and old.state is RequestState.OPEN:
            await self.forge.say(old, f"Other content was judged since; {issue.url} asks for that.")
            await self.forge.edit(old, Edit(body=text.settled(old.body), close=True))
        done = self.outcome(Word.WAITING, story, f"{issue.url} asks for an approval")
        return replace(done, url=issue.url, number=issue.number, operation="created")

    async def _approval(self, issue: Issue) -> str | None:
        asked = asking.those_who_asked(await self.forge.comments(issue), await self.forge.labels(issue), await self.forge.me())
        approvers = self.promotion.approvers
        # Some forges tell permissions to administrators only, so they are asked for only where they count.
        permissions = {} if approvers else {login: await self.forge.permission(login) for login in asked}
        return asking.approver(asked, approvers, permissions)


def _asked_in(issue: Issue | None, story: Story, records: Sequence[Record]) -> set[str]:
    """The contents that the journal says were asked for in an issue."""
    return {entry.content for entry in about(records, story.app, story.target) if issue is not None and entry.request == issue.url}

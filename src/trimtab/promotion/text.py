"""What people read: commit messages with trailers, titles and bodies of pull requests and issues. Called by `wiring`.

What Trimtab writes into a body stands between two hidden marks; what people write around them stays.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.config.difference import Change, line
from trimtab.model.names import some
from trimtab.promotion.evidence import Evidence

END = "<!-- trimtab:end -->"
_BEGIN = re.compile(r"<!-- trimtab:begin (?P<app>\S+)/(?P<target>\S+) content=(?P<content>\S+) evidence=(?P<evidence>\S*) -->")
_REGION = re.compile(_BEGIN.pattern + r".*?" + re.escape(END), re.DOTALL)
TRAILERS = re.compile(r"^Trimtab-([A-Za-z-]+): (.*?)\s*$", re.MULTILINE)
MOST_FIGURES = 50
LONGEST_TITLE = 200
LONGEST_SUMMARY = 60_000
ROOM = 2000
"""Characters that a body leaves for people's own text and for what forges add."""


@dataclass(frozen=True, slots=True)
class Story:
    """What a promotion or rollback is about."""

    app: str
    source: str
    target: str
    content: str
    evidence: str
    """The SHA-256 of it."""
    proof: Evidence | None = field(repr=False)
    changes: Sequence[Change] = field(repr=False)
    notes: Sequence[str] = ()
    """What else people should know, a line each."""
    lead: str = ""
    """The first sentence of a body, where it is not about a promotion."""

    @property
    def judgement(self) -> str:
        """The verdict in one word; empty where there is no evidence."""
        return self.proof.verdict.judgement if self.proof is not None else ""

    @property
    def short(self) -> str:
        """The first digits of the content."""
        return short(self.content)


def short(digest: str) -> str:
    """The first digits of a digest, as `sha256:HEX`."""
    return digest.rpartition(":")[2][:10]


def title(story: Story) -> str:
    """Of a pull request, an issue, a commit."""
    names = list(dict.fromkeys(change.name.partition("/")[2] for change in story.changes))
    what = one_line(some(names, 3))[: LONGEST_TITLE - len(story.app) - len(story.target)]
    return f"Promote {story.app} to {story.target}: {what or 'content'} ({story.short})"


def message(first: str, story: Story, trailers: Mapping[str, str]) -> str:
    """A commit message: what changed, then trailers, one a line."""
    shown = [f"- {one_line(change.name)}: {one_line(line(change))}" for change in story.changes[:50]]
    more = [f"- and {len(story.changes) - 50} more"] if len(story.changes) > 50 else []
    return "\n".join(
        [one_line(first), "", *shown, *more, "", *(f"Trimtab-{name}: {one_line(value)}" for name, value in trailers.items() if value), ""]
    )


def trailers_of(text: str) -> dict[str, str]:
    """The trailers in a commit message, also where a forge put other text behind them."""
    return dict(TRAILERS.findall(text))


def marker(story: Story) -> str:
    """What the body of a thread about this begins with; hidden."""
    return f"<!-- trimtab:begin {story.app}/{story.target} content={story.content} evidence={story.evidence} -->"


def content_in(body: str) -> str:
    """The digest of the content that a body is about; empty where it is none of ours."""
    found = _BEGIN.search(body)
    return found["content"] if found else ""


def settled(body_of_thread: str) -> str:
    """The body of a thread that we close ourselves: it is about no content any more, so that closing it declines none."""
    return _BEGIN.sub(lambda found: found[0].replace(f"content={found['content']}", "content=-"), body_of_thread, count=1)


def body(story: Story, how: str, longest: int) -> str:
    """What Trimtab says in a pull request or issue, between its marks. The list of changes is cut so that all fits."""
    lead = story.lead or f"The content that `{story.source}` runs and that was judged there, for `{story.target}`."
    head = [marker(story), lead, "", *_verdict(story)]
    tail = ["", *(f"- {cell(note)}" for note in story.notes), *([""] if story.notes else []), how, END]
    room = longest - ROOM - len("\n".join([*head, *tail]))
    return "\n".join([*head, *_changes(story.changes, room), *tail])


def summary(first: str, changes: Sequence[Change], notes: Sequence[str]) -> str:
    """What a pipeline shows on the page of its run, as Markdown."""
    listed = _changes(changes, LONGEST_SUMMARY) if changes else []
    return "\n".join([f"### {cell(first)}", *listed, "", *(f"- {cell(note)}" for note in notes), ""])


def merged_body(old: str, ours: str) -> str:
    """The old body with our part put in the place of its old one; in front where there was none."""
    if _REGION.search(old):
        return _REGION.sub(lambda _: ours, old, count=1)
    return f"{ours}\n\n{old}".rstrip() + "\n" if old.strip() else f"{ours}\n"


def _changes(changes: Sequence[Change], room: int) -> list[str]:
    # Whoever writes a value must not be able to end our part of the body, or to begin another.
    lines = [f"{one_line(change.name)}  {one_line(line(change))}".replace("<!--", "<! --") for change in changes]
    shown, used = list[str](), 200
    for text in lines:
        used += len(text) + 1
        if used > room:
            break
        shown.append(text)
    more = [f"and {len(lines) - len(shown)} more; `trimtab diff` shows all"] if len(shown) < len(lines) else []
    if len(shown) > 20:
        return ["", f"<details><summary>{len(lines)} changes</summary>", "", *fenced(shown), "", "</details>", *more]
    return ["", "**Changes**", "", *fenced(shown), *more]


def fenced(lines: Sequence[str]) -> list[str]:
    """Lines as a block of Markdown that none of them can end, whoever wrote it."""
    longest = max((len(run) for run in re.findall(r"`+", "\n".join(lines))), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *lines, fence]


def verdict_summary(first: str, proof: Evidence | None, notes: Sequence[str]) -> str:
    """What a pipeline shows on the page of its run about a verdict, as Markdown."""
    figures = ["", *_figures(proof, proof.target, "the other")] if proof is not None else []
    return "\n".join([f"### {cell(first)}", *figures, "", *(f"- {cell(note)}" for note in notes), ""])


def _verdict(story: Story) -> list[str]:
    proof = story.proof
    if proof is None:
        return []
    said = f": {cell(proof.verdict.text)}" if proof.verdict.text else ""
    figures = _figures(proof, story.source, story.target)
    return [f"**Verdict: {proof.verdict.judgement}**{said}", "", f"{figures[0]}; evidence `{story.evidence[:16]}`", *figures[1:]]


def _figures(proof: Evidence, canary: str, stable: str) -> list[str]:
    """When and where it was judged, and a table of what was measured."""
    began, ended = proof.window.began, proof.window.ended
    lines = [
        f"Judged at commit {proof.commit[:10]} from {began:%Y-%m-%d %H:%M:%S} to {ended:%H:%M:%S} UTC"
        + (f", [run {cell(proof.run.id)}]({link(proof.run.url)})" if link(proof.run.url) else "")
    ]
    if proof.verdict.figures:
        lines += ["", f"| Metric | {cell(canary)} | {cell(stable)} | |", "| --- | --- | --- | --- |"]
        for figure in proof.verdict.figures[:MOST_FIGURES]:
            said = f"{figure.judgement} {figure.text}".strip()
            lines.append(f"| {cell(figure.metric)} | {cell(figure.canary)} | {cell(figure.stable)} | {cell(said)} |")
    if proof.verdict.reasons:
        lines += ["", *(f"- {cell(reason)}" for reason in proof.verdict.reasons[:MOST_FIGURES])]
    return lines


def one_line(text: str) -> str:
    """Printable, on one line."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def cell(text: str) -> str:
    """Text that is nothing but text in Markdown: in a table, a link, a paragraph."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~$&])", r"\\\1", one_line(text)).replace("@", "@\u200b")


def link(address: str) -> str:
    """An address that may stand in a link; empty for anything else."""
    return address if re.fullmatch(r"https?://[A-Za-z0-9.:/_?&=%#~+-]+", address) else ""

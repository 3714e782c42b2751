"""Ports to facts: looks at the world and asks the one kind of question that is due. Called by `reconcile`.

Asking is observing (P1): hooks and metrics are asked here, when the state says so. May be cancelled at any await (P5).
"""

import json
from dataclasses import replace

from trimtab.config.difference import Change, difference, lines, template_difference
from trimtab.config.digest import canonical_bytes, incomparable
from trimtab.config.references import Reference, references
from trimtab.control.asking import ask
from trimtab.model.content import ContentRules
from trimtab.model.facts import Facts, Source
from trimtab.model.policy import Policy
from trimtab.model.revision import Revision
from trimtab.model.rollout import CanaryState
from trimtab.ports import Outside, Stored
from trimtab.rollout.questions import due_question
from trimtab.validation.catalogue import few
from trimtab.validation.checks import validate


async def observe(stored: Stored, outside: Outside, refused: str = "") -> Facts:
    """Everything one decision may look at. `refused` is why the pass before this one could not be carried out."""
    state = stored.state
    now = outside.clock.now()
    source = await recognised(state, await outside.sources.read(state.key), outside)
    # While nothing is under way the newest policy counts: an attempt that this pass opens pins it, and what its router can do.
    policy = state.running.policy if state.running is not None else source.policy or state.policy
    told = await outside.teller.told(state.key) if state.to_tell else {}
    facts = Facts(now, source, commands=stored.commands, told=told, refused=refused)
    if policy is None:
        return facts
    facts = await examined(state, await seen(state, facts, policy, outside), outside)
    question = due_question(state, facts)
    return await ask(state, facts, question, outside)


async def recognised(state: CanaryState, source: Source, outside: Outside) -> Source:
    """The source under a name that the record has for it. A new key for digests of Secrets renames a revision, but changes nothing (C1)."""
    run = state.running
    for revision in (run.to if run is not None else None, state.promoted, held_back(state)):
        if revision is None or source.revision is None or not incomparable(revision, source.revision):
            continue
        before, after = await outside.sources.contents(state.key, revision), await outside.sources.contents(state.key, source.revision)
        # Where the old bytes are gone nothing can be compared, and so nothing starts.
        if not before or list(map(canonical_bytes, before)) == list(map(canonical_bytes, after)):
            return replace(source, revision=revision)
    return source


def held_back(state: CanaryState) -> Revision | None:
    """The revision that is held, where the record still has all of it."""
    run = state.rollout
    known = (run.to if run is not None else None, state.promoted, *state.kept)
    return next(
        (revision for revision in known if revision is not None and state.held is not None and revision.id == state.held.revision), None
    )


async def seen(state: CanaryState, facts: Facts, policy: Policy, outside: Outside) -> Facts:
    """The copies and the routes, as they are."""
    primary, canary = await outside.workloads.look(state.key, policy)
    routes = await outside.router.look(state.key, policy)
    return replace(facts, primary=primary, canary=canary, routes=routes, capabilities=outside.router.capabilities(policy))


async def examined(state: CanaryState, facts: Facts, outside: Outside) -> Facts:
    """Validates content that was not seen before and says what changed in it."""
    revision = facts.source.revision
    if revision is None or known(state, facts):
        return facts
    after = await outside.sources.contents(state.key, revision)
    there = {content.name for content in after}
    gone = sorted(str(ref.name) for ref in revision.configs if ref.digest and ref.name not in there)
    if gone:
        # It changed between two looks. What cannot be validated starts nothing, or it would count as known from here on (S5).
        problem = f"revision {revision.id} cannot be validated: the bytes of {', '.join(gone)} that it reads are not there any more"
        return replace(facts, source=replace(facts.source, revision=None, problem=problem))
    before = await outside.sources.contents(state.key, state.promoted) if state.promoted is not None else ()
    # The attempt that this may become pins the newest valid policy, and so its rules.
    policy = facts.source.policy or state.policy
    changes = difference(before, after)
    rules = policy.content if policy is not None else ContentRules()
    findings = validate(after, before, awaited(revision), rules, changes)
    return replace(facts, findings=few(findings), changes=lines(template_changes(state, revision) + changes))


def awaited(revision: Revision) -> list[Reference]:
    """What its pods do not start without, of what makes a new revision when it is put right: nothing else would be looked at again."""
    followed = {ref.name for ref in revision.configs}
    return [reference for reference in references(json.loads(revision.template)) if reference.name in followed]


def known(state: CanaryState, facts: Facts) -> bool:
    """Can this revision start nothing new? What is held may be started by a wish that waits, so it is looked at again then (S5)."""
    revision, run = facts.source.revision, state.running
    if revision is None or revision == state.promoted or (run is not None and run.to == revision):
        return True
    return state.held is not None and state.held.revision == revision.id and not facts.commands


def template_changes(state: CanaryState, after: Revision) -> tuple[Change, ...]:
    """What changed in the pod template since it was promoted; the first one is no change."""
    before, policy = state.promoted, state.rules
    if before is None or policy is None or before.fingerprint == after.fingerprint:
        return ()
    return template_difference(f"{policy.target.kind.lower()}/{policy.target.name}", before.template, after.template)

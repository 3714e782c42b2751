"""A decision into the store, before anything is touched. What happens on restart follows from this file.

Called by `reconcile`. A decision that would break a law is not recorded and not acted upon.
"""

from trimtab.errors import SafetyError
from trimtab.model.decision import Decision
from trimtab.model.facts import Facts
from trimtab.model.verdict import Verdict
from trimtab.ports import Outside, Stored
from trimtab.rollout.safety import Passage, broken_laws


async def record(stored: Stored, facts: Facts, verdict: Verdict | None, decision: Decision, outside: Outside) -> None:
    """Replaces the record by compare-and-swap; nothing is written where nothing changed. Conflict where someone wrote first."""
    if decision.state == stored.state:
        return
    broken = broken_laws(Passage(stored.state, facts, verdict, decision.state))
    if broken:
        number = decision.state.rollout.number if decision.state.rollout is not None else 0
        problem = f"rollout {number} of {stored.state.key} holds still: a decision would break {'; '.join(broken)}"
        raise SafetyError(f"{problem}. This is a bug in Trimtab; please report it with `trimtab show` of this rollout")
    await outside.store.replace(stored.state.key, stored.state, decision)

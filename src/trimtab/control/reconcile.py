"""Observe the world, judge the metrics, decide the next state, record it, act until the world matches.

Called by `loop`, by the simulation and by a replay of recorded facts.
"""

from trimtab.analysis.judge import judge
from trimtab.control.act import act
from trimtab.control.observe import observe
from trimtab.control.record import record
from trimtab.model.decision import Decision
from trimtab.model.names import CanaryKey
from trimtab.ports import Outside
from trimtab.rollout.decide import decide


async def reconcile(key: CanaryKey, outside: Outside, refused: str = "") -> Decision:
    """One pass. Level, not edge: what woke it is irrelevant. A crash at any await loses nothing.

    `refused` is why the pass before this one needed a person; it is told by this one.
    """
    stored = await outside.store.load(key)
    facts = await observe(stored, outside, refused)  # asks what state.asks names, nothing else
    verdict = judge(stored.state.analysis, stored.state.evidence, facts.samples, facts.now)
    decision = decide(stored.state, facts, verdict)
    await record(stored, facts, verdict, decision, outside)  # compare-and-swap; on Conflict nothing is touched
    await act(decision.state, facts, outside)
    return decision

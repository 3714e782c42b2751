"""From the rules of a route object to who reaches the canary. Pure; called by every provider that has rules."""

from collections.abc import Mapping, Sequence

from trimtab.model.facts import Routes


def routes_of(rules: Sequence[Mapping[str, int]], apex: str, mirrored: bool) -> Routes | None:
    """What rules come to: each is the weights by name of Service, in the order in which they are tried.

    The last rule that knows one of our Services is for everybody; what an earlier one gives to the canary is given to some. Rules of
    others do not count. None where no rule knows our Services.
    """
    canary, primary = f"{apex}-canary", f"{apex}-primary"
    ours = [rule for rule in rules if canary in rule or primary in rule]
    if not ours:
        return None
    *some, everybody = ours
    if canary in everybody:
        # Rules before it are those of session affinity: they keep users apart and give nobody the canary who did not have it.
        return Routes(share(everybody.get(canary, 0), everybody.get(primary, 0)), False, mirrored)
    return Routes(0, any(rule.get(canary, 0) for rule in some), mirrored)


def share(canary: int, primary: int) -> int:
    """The canary's part in percent, of whatever the weights add up to."""
    return round(100 * canary / (canary + primary)) if canary else 0

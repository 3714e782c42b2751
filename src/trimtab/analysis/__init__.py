"""Is the canary as good as the primary? Numbers in, verdict out. Pure; knows nothing of rollouts.

Two judges live here. `judge` holds Flagger's thresholds. The other compares canary and primary, and may be asked after every scrape:

    known = calibrate(history, rules)                             # calibration: the primary's own scrapes, once, when a rollout begins
    evidence = begin(ready)                                       # evidence: small, serialisable, kept in the record
    evidence = update(evidence, scrapes, rules, known, step)      # again and again; scrapes that were counted are left out
    decision = decide(evidence, rules, known, step, now)          # verdicts: roll back, hold, go on, ...

`step` says where the rollout stands; with a new step a new bet begins, and going on has to be earned anew. `forecast` says how long a step
needs and what it is blind to, before the start and in the middle of it.

The rule in one sentence: every scrape is a bet, worth at most 20 to 1, that the canary is worse; it is held at odds of 20:1 and rolled
back at 100:1, if the odds are also 20:1 that it is worse than tolerated and still 20:1 without any one pod; it goes on when fresh odds of
20:1 say that it is not much worse.

`layout` says which series a rollout has, `grouping` puts pods into groups, `packing` arrays into the record. Below are kernels over
arrays: `ledger` (evidence of one series), `noise` (what a count is worth), `counts` (the rule for bad out of total) and `ridit` (the rule
for histograms). Their leading axes broadcast, so that one call takes a step of one series, of all metrics of a rollout, or of ten
thousand rollouts.
"""

"""Replay of recorded metrics: what would a policy have done (analysis.md 7)? Called by `trimtab backtest`.

    windows(recorded(...), length, history)       # recording: one workload's requests, pod by pod, in complete scrapes
    draw(windows, ...)                            # placebo: some pods of the primary play the canary
    replayed(...), held_against_thresholds(...)   # replay, thresholds: thousands of rollouts at once, by the rule or by Flagger's limits
    report(windows, plan, run(windows, plan))     # runs, reporting: every policy against every regression

Chance is a seeded generator that is handed in. Nothing here reads a clock or a file.
"""

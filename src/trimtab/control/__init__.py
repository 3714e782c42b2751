"""Make it happen: `reconcile` and its five verbs, the queue and the loop. Awaits nothing but ports; run by the faces."""

"""What every adapter promises: one module per port, each with a harness to provide and the checks to run.

A check is an async function whose name is the promise. It takes a harness that was just made, awaits nothing but the port and the
harness, and raises BrokenPromise. So a test in pytest is parametrised over `CHECKS`; without pytest,
`asyncio.run(check(harness))` does; the ports in memory are driven by `trimtab.testing.memory.run`.
"""

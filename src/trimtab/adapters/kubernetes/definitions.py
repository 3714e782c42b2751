"""Our own kinds, brought to a cluster that does not know them. Called by `wiring` before anything is listed.

So the operator starts where only Flagger ran before, if it may make CRDs. Where it may not, what it asks for next says which are missing.
"""

import asyncio
import time

from trimtab.adapters.kubernetes.client import Client
from trimtab.adapters.kubernetes.errors import NotServed
from trimtab.adapters.kubernetes.kinds import CONFIG_ROLLOUT, CUSTOM_RESOURCE_DEFINITION
from trimtab.documents.schema import TRIMTAB_KINDS, crd
from trimtab.errors import Conflict, Denied, OutsideError

SERVED_WITHIN = 30.0
"""Seconds that the API server gets to serve a new kind."""
LOOK = 0.2
ANY = "trimtab"
"""A name to ask for; whether there is one does not matter."""


async def bring_kinds(client: Client, namespace: str) -> bool:
    """Makes the CRDs of our own kinds where the API server does not know ConfigRollout. True where it did.

    CRDs that are there are left to whoever installed them.
    """
    if await _served(client, namespace):
        return False
    for kind in TRIMTAB_KINDS:
        try:
            await client.create(CUSTOM_RESOURCE_DEFINITION, crd(kind))
        except Conflict:
            continue
        except Denied:
            return False
    end = time.monotonic() + SERVED_WITHIN
    while not await _served(client, namespace) and time.monotonic() < end:
        await asyncio.sleep(LOOK)
    return True


async def _served(client: Client, namespace: str) -> bool:
    """Where that cannot be known now, whoever lists ConfigRollouts next will wait or say what is wrong."""
    try:
        await client.get(CONFIG_ROLLOUT, namespace, ANY)
    except NotServed:
        return False
    except OutsideError:
        return True
    return True

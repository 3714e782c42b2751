"""The schemas of Kubernetes' own kinds, as they come with Trimtab (docs/adr/0012). Called by `wiring.checking`.

The file is made by `tools/write_kubernetes_schemas.py`.
"""

import gzip
from functools import cache
from importlib.resources import files

import msgspec

from trimtab.inspection.kubernetes import Schemas


class _File(msgspec.Struct, frozen=True):
    version: str
    kinds: dict[str, str]
    definitions: dict[str, object] = msgspec.field(name="$defs")


@cache
def kubernetes_schemas() -> Schemas:
    """Every kind of a stable version, of the newest Kubernetes when the file was made."""
    packed = files("trimtab.adapters.checking").joinpath("kubernetes.json.gz").read_bytes()
    found = msgspec.json.decode(gzip.decompress(packed), type=_File)
    return Schemas(found.version, found.kinds, found.definitions)

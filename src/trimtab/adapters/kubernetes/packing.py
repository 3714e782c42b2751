"""Objects as a mirror keeps them: as text, pressed by what it has in common with the first one. Used by `mirror`.

Objects of one kind in one cluster are much alike. Of a thousand Canaries an operator holds so a twentieth of what dictionaries take.
"""

import zlib
from dataclasses import dataclass

import msgspec

from trimtab.adapters.kubernetes.watching import Object

RAW = -15
"""zlib's format without head and check sum, with the largest window: what is packed never leaves the process."""


@dataclass(slots=True)
class Packing:
    """Packs and unpacks objects of one kind."""

    pattern: bytes = b""
    """The text of the first one."""

    def packed(self, found: Object) -> bytes:
        """An object as it is kept."""
        text = msgspec.json.encode(found)
        if not self.pattern:
            self.pattern = text
        press = zlib.compressobj(zlib.Z_BEST_SPEED, zlib.DEFLATED, RAW, zdict=self.pattern)
        return press.compress(text) + press.flush()

    def unpacked(self, kept: bytes) -> Object:
        """The object, new each time."""
        spread = zlib.decompressobj(RAW, zdict=self.pattern)
        return msgspec.json.decode(spread.decompress(kept), type=dict[str, object])

"""Fields of the pod itself, as variables and files may ask for them. Pure; called by `podspec` and `podvolumes`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.errors import InputError

LOOPBACK = "127.0.0.1"
MAPPED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


@dataclass(frozen=True, slots=True)
class PodFields:
    """What a pod knows about itself."""

    name: str
    namespace: str
    labels: Mapping[str, object] = field(default_factory=dict)
    annotations: Mapping[str, object] = field(default_factory=dict)

    def value(self, path: object, where: str) -> str:
        """The value of a `fieldPath`. InputError for one that has no value on one machine; `where` says who asks."""
        simple = {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            "status.podIP": LOOPBACK,
            "status.podIPs": LOOPBACK,
            "status.hostIP": LOOPBACK,
            "status.hostIPs": LOOPBACK,
            "spec.nodeName": "localhost",
            "spec.serviceAccountName": "default",
        }
        if isinstance(path, str):
            if path in simple:
                return simple[path]
            if asked := MAPPED.fullmatch(path):
                chosen = self.labels if asked[1] == "labels" else self.annotations
                return str(chosen.get(asked[2], ""))
        known = ", ".join((*simple, "metadata.labels['NAME']", "metadata.annotations['NAME']"))
        raise InputError(f"{where} asks for the field {path}, which has no value on one machine; there are {known}")

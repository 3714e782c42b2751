"""What a pod reads and how Flagger digests it: written apart from the product, which is compared with it."""

import hashlib
import json
from typing import Any

Raw = dict[str, Any]


def digest(data: object) -> str:
    """The checksum Flagger writes into `status.trackedConfigs`, for the `data` of a ConfigMap or Secret."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def references(pod_spec: Raw) -> list[tuple[str, str, bool]]:
    """Kind, name and whether it is optional, of every ConfigMap and Secret that a pod reads; first mention first."""
    found: dict[tuple[str, str], bool] = {}
    for kind, source in [*_volumes(pod_spec), *_variables(pod_spec)]:
        name = source.get("secretName") or source.get("name")
        if name:
            found[(kind, name)] = found.get((kind, name), True) and bool(source.get("optional"))
    return [(kind, name, optional) for (kind, name), optional in found.items()]


def _volumes(spec: Raw) -> list[tuple[str, Raw]]:
    found = []
    for volume in spec.get("volumes") or []:
        for item in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
            found += [(kind, item[key]) for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")) if key in item]
    return found


def _variables(spec: Raw) -> list[tuple[str, Raw]]:
    found = []
    for container in (spec.get("containers") or []) + (spec.get("initContainers") or []):
        for variable in container.get("env") or []:
            value = variable.get("valueFrom") or {}
            found += [(kind, value[key]) for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")) if key in value]
        for item in container.get("envFrom") or []:
            found += [(kind, item[key]) for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")) if key in item]
    return found

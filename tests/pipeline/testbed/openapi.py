"""Requests and answers held against a description of an API (OpenAPI 3.0), and example answers out of it.

`github` is GitHub's own, from its npm package, fetched once per machine: 29 MB, of which the parts that are used are kept.
"""

import copy
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

from cluster.testbed.binaries import CannotBuild, alone, cache, say

PACKAGE = "@octokit/openapi@23.0.2"
MEMBER = "package/generated/api.github.com.json"
REPOSITORY = "/repos/{owner}/{repo}"
USED = (
    "/user",
    *(
        f"{REPOSITORY}/{path}"
        for path in (
            "pulls", "pulls/{pull_number}", "pulls/{pull_number}/commits", "pulls/{pull_number}/reviews",
            "pulls/{pull_number}/requested_reviewers", "issues", "issues/{issue_number}", "issues/{issue_number}/labels",
            "issues/{issue_number}/comments", "issues/{issue_number}/events", "collaborators/{username}/permission", "commits/{ref}/status",
            "statuses/{sha}", "branches/{branch}", "rules/branches/{branch}",
        )
    ),
)  # fmt: skip
Raw = Any


class NotAsDescribed(AssertionError):
    """A request or an answer that the description does not know."""


@dataclass(frozen=True)
class Call:
    """A request, understood: which operation it is."""

    method: str
    template: str
    parameters: Mapping[str, str]
    operation: Raw = field(repr=False)


@dataclass
class Description:
    """An API: `paths` and `components`, as OpenAPI writes them."""

    document: Raw = field(repr=False)
    validators: dict[str, Any] = field(default_factory=dict)

    def call(self, method: str, path: str) -> Call:
        """The operation of a request; parts of the path in braces match one part each, percent-encoded or not."""
        parts = path.strip("/").split("/")
        for template, operations in self.document["paths"].items():
            wanted = template.strip("/").split("/")
            if len(wanted) != len(parts) or method.lower() not in operations:
                continue
            if all(one.startswith("{") or one == other for one, other in zip(wanted, parts, strict=True)):
                found = {one.strip("{}"): unquote(other) for one, other in zip(wanted, parts, strict=True) if one.startswith("{")}
                return Call(method.lower(), template, found, operations[method.lower()])
        raise NotAsDescribed(f"there is no operation {method} {path}")

    def request(self, call: Call, query: Mapping[str, str], body: Raw) -> None:
        """NotAsDescribed for parameters or fields that it does not have, or with values that they may not have."""
        known = {found["name"]: found for found in map(self.resolved, call.operation.get("parameters", ())) if found["in"] == "query"}
        for name, value in query.items():
            if name not in known:
                raise NotAsDescribed(f"{call.method} {call.template} has no parameter {name}")
            schema = self.resolved(known[name]["schema"])
            typed: Raw = int(value) if schema.get("type") == "integer" else value
            self.check(schema, typed, f"{call.method} {call.template}?{name}")
        if "requestBody" not in call.operation:
            if body is not None:
                raise NotAsDescribed(f"{call.method} {call.template} takes no body")
            return
        schema = self.resolved(call.operation["requestBody"])["content"]["application/json"]["schema"]
        self.check(schema, body, f"the body of {call.method} {call.template}")
        if unknown := set(body) - self.fields(schema):
            raise NotAsDescribed(f"the body of {call.method} {call.template} has fields that are not described: {sorted(unknown)}")

    def answer(self, call: Call, status: int, body: Raw) -> None:
        """NotAsDescribed for an answer of a status or a shape that the operation does not have."""
        found = call.operation["responses"].get(str(status))
        if found is None:
            raise NotAsDescribed(f"{call.method} {call.template} is not described to answer {status}")
        content = self.resolved(found).get("content", {}).get("application/json")
        if content is not None:
            self.check(content["schema"], body, f"the answer {status} of {call.method} {call.template}")

    def example(self, method: str, template: str, status: int = 200) -> Raw:
        """What the description shows as an answer; a copy."""
        content = self.resolved(self.document["paths"][template][method]["responses"][str(status)])["content"]["application/json"]
        found = next(iter(content["examples"].values())) if "examples" in content else {"value": content["example"]}
        while isinstance(found, dict) and ("$ref" in found or "value" in found):
            found = self.resolved(found) if "$ref" in found else found["value"]
        return copy.deepcopy(found)

    def resolved(self, value: Raw) -> Raw:
        """What a reference stands for."""
        while isinstance(value, dict) and "$ref" in value:
            found: Raw = self.document
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            value = found
        return value

    def fields(self, schema: Raw) -> set[str]:
        """The names that an object may have."""
        found = self.resolved(schema)
        inner = [one for kind in ("allOf", "anyOf", "oneOf") for one in found.get(kind, ())]
        return set(found.get("properties", ())).union(*map(self.fields, inner))

    def check(self, schema: Raw, value: Raw, what: str) -> None:
        """NotAsDescribed, with where, unless the value fits the schema."""
        key = hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()
        if key not in self.validators:
            closed = {"components": {"schemas": self.document["components"]["schemas"]}, "allOf": [schema]}
            self.validators[key] = jsonschema_rs.Draft4Validator(nullable(closed))
        errors = [
            f"{'.'.join(map(str, error.instance_path)) or 'it'}: {error.message[:300]}" for error in self.validators[key].iter_errors(value)
        ]
        if errors:
            raise NotAsDescribed(f"{what}: {'; '.join(errors[:5])}")


def nullable(schema: Raw) -> Raw:
    """OpenAPI 3.0 writes `nullable: true` where JSON Schema has another type."""
    if isinstance(schema, list):
        return [nullable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {name: nullable(value) for name, value in schema.items() if name not in ("nullable", "example", "examples")}
    return {"anyOf": [rest, {"type": "null"}]} if schema.get("nullable") is True else rest


def github() -> Description:
    """GitHub's own description. CannotBuild without npm or the network."""
    found = cache() / f"github-openapi-{PACKAGE.rpartition('@')[2]}-{hashlib.sha256(' '.join(USED).encode()).hexdigest()[:8]}.json"
    with alone(found):
        if not found.exists():
            say(f"fetching {PACKAGE}: {found}")
            whole = fetched(found.with_suffix(".new"))
            found.write_text(json.dumps(parts_of(whole, USED)))
    return Description(json.loads(found.read_text()))


def fetched(folder: Path) -> Raw:
    """The whole description, out of the package."""
    npm = shutil.which("npm")
    if npm is None:
        raise CannotBuild("there is no npm to fetch GitHub's description of its API with")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        command = [npm, "pack", "--silent", "--pack-destination", str(folder), PACKAGE]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=folder, timeout=300, check=False, env={**os.environ, "HOME": str(folder)}
        )
        archives = list(folder.glob("*.tgz"))
        if done.returncode or not archives:
            raise CannotBuild(f"npm pack {PACKAGE}: {(done.stderr or done.stdout).strip()[-300:]}")
        with tarfile.open(archives[0]) as archive:
            member = archive.extractfile(MEMBER)
            assert member is not None
            return json.load(member)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def parts_of(document: Raw, paths: tuple[str, ...]) -> Raw:
    """Some paths, and what they refer to."""
    made: Raw = {"paths": {path: document["paths"][path] for path in paths}, "components": {"schemas": {}}}
    waiting = list(references(made["paths"]))
    while waiting:
        _, kind, name = waiting.pop().removeprefix("#/").split("/")
        group = made["components"].setdefault(kind, {})
        if name not in group:
            group[name] = document["components"][kind][name]
            waiting += references(group[name])
    return made


def references(value: Raw) -> Iterator[str]:
    """Every `$ref` inside."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)

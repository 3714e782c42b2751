"""RolloutPolicy.spec.validation in a cluster: what breaks its JSON Schema reaches no user, and what is corrected rolls out."""

from typing import Any

import pytest

from cluster.opened import config_map, until
from cluster.operating import Operating
from cluster.testbed.node import Node

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
POOL = {"type": "object", "properties": {"pool": {"type": "integer", "maximum": 100}}}


async def told(operating: Operating, reason: str) -> list[Raw]:
    """The Events on the Canary for one reason."""
    events = await operating.api.list("Event", operating.namespace)
    return [event for event in events if event["involvedObject"]["kind"] == "Canary" and event["reason"] == reason]


async def strict(operating: Operating, schema: Raw) -> Raw:
    """A policy with a schema for one key, which may not be deleted either."""
    validation = {"schemas": [{"configMap": "app-config", "key": "app.yaml", "schema": schema}], "severities": {"content/deleted": "error"}}
    made = {
        "apiVersion": "trimtab.dev/v1alpha1",
        "kind": "RolloutPolicy",
        "metadata": {"name": "strict"},
        "spec": {"validation": validation},
    }
    return await operating.api.create(made, operating.namespace)


async def test_a_config_map_that_breaks_its_schema_is_refused_and_a_corrected_one_rolls_out(operating: Operating, node: Node) -> None:
    await strict(operating, POOL)
    await operating.app()
    await operating.api.patch("Canary", operating.namespace, "app", {"metadata": {"annotations": {"trimtab.dev/policy": "strict"}}})
    await operating.edit(**{"app.yaml": "pool: 10\n"})
    await operating.outcome(2, "Promoted")
    began = len(node.began(operating.namespace, "app"))

    await operating.edit(**{"app.yaml": "# too many\npool: 5000\n"})
    refused = await operating.outcome(3, "Refused")
    status = await operating.phase("Failed")
    assert status.get("canaryWeight", 0) == 0 and "app.yaml" in refused["status"]["reason"]
    assert len(node.began(operating.namespace, "app")) == began, "no pod of the canary was started"
    (event,) = await until(lambda: told(operating, "Refused"), "the refusal is told")
    assert event["type"] == "Warning"
    assert "configmap/app-config[app.yaml]: does not fit its JSON Schema at pool: it is 5000, and must be at most 100" in event["message"]
    assert "Correct it, or the schema in spec.validation.schemas[0] of the RolloutPolicy" in event["message"]

    await operating.edit(**{"app.yaml": "pool: 11\n"})
    await operating.outcome(4, "Promoted")


async def test_a_policy_whose_schema_cannot_be_used_is_told_with_its_path_and_starts_nothing(operating: Operating) -> None:
    await operating.app()
    await strict(operating, {"type": "objekt"})
    await operating.api.patch("Canary", operating.namespace, "app", {"metadata": {"annotations": {"trimtab.dev/policy": "strict"}}})

    async def so() -> bool:
        events = await told(operating, "SourceProblem")
        return any("spec.validation.schemas[0].schema: is not a usable JSON Schema: at type" in event["message"] for event in events)

    await until(so, "the schema is told about", 40.0)
    assert await operating.rollout(2) is None


async def test_a_deleted_key_is_refused_where_the_policy_says_error(operating: Operating) -> None:
    await strict(operating, POOL)
    await operating.app()
    await operating.api.patch("Canary", operating.namespace, "app", {"metadata": {"annotations": {"trimtab.dev/policy": "strict"}}})
    await operating.edit(**{"app.yaml": "pool: 10\n"})
    await operating.outcome(2, "Promoted")
    await operating.api.patch("ConfigMap", operating.namespace, "app-config", {"data": {"app.yaml": None}})
    refused = await operating.outcome(3, "Refused")
    assert "configmap/app-config[app.yaml]: the key is gone" in refused["status"]["reason"]


async def test_a_schema_in_a_config_map_counts_as_it_is_when_content_changes(operating: Operating) -> None:
    await operating.api.create(config_map("schemas", pool="properties: {pool: {maximum: 100}}"), operating.namespace)
    source = {"configMap": "schemas", "key": "pool"}
    rule = {"configMap": "app-config", "key": "app.yaml", "schemaFrom": source}
    made = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "RolloutPolicy", "metadata": {"name": "strict"}}
    await operating.api.create({**made, "spec": {"validation": {"schemas": [rule]}}}, operating.namespace)
    await operating.app()
    await operating.api.patch("Canary", operating.namespace, "app", {"metadata": {"annotations": {"trimtab.dev/policy": "strict"}}})
    await operating.edit(**{"app.yaml": "pool: 500\n"})
    refused = await operating.outcome(2, "Refused")
    assert "must be at most 100" in refused["status"]["reason"]
    await operating.api.patch("ConfigMap", operating.namespace, "schemas", {"data": {"pool": "properties: {pool: {maximum: 1000}}"}})
    await operating.edit(**{"app.yaml": "pool: 501\n"})
    await operating.outcome(3, "Promoted")
    await operating.api.delete("ConfigMap", operating.namespace, "schemas")

    async def so() -> bool:
        return any("key pool of ConfigMap schemas does not exist" in event["message"] for event in await told(operating, "SourceProblem"))

    await until(so, "the missing schema is told about", 40.0)

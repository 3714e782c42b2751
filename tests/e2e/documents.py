"""The YAML of the stories: a small web service whose configuration says what it answers and when it fails, and its Canary."""

import base64
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trimtab.faces.demo.service as service_of_the_demo

SERVICE = Path(service_of_the_demo.__file__)
"""Answers with `greeting`, or with 504 where its pretended database does not meet `timeout_ms`."""

SUCCESS = {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "10s"}
WEIGHTED = {"interval": "1s", "threshold": 2, "stepWeights": [50], "metrics": [SUCCESS]}


def document(kind: str, name: str, api: str = "v1", **fields: Any) -> str:
    """One object; JSON is YAML."""
    metadata = {"name": name, **fields.pop("metadata", {})}
    return json.dumps({"apiVersion": api, "kind": kind, "metadata": metadata, **fields}, indent=2) + "\n"


def settings(greeting: str, name: str = "shop", timeout: int = 250) -> str:
    """The ConfigMap. With a timeout of 1 every request fails."""
    return document("ConfigMap", f"{name}-settings", data={"settings.yaml": f"greeting: {greeting}\ntimeout_ms: {timeout}\n"})


def bad(greeting: str = "bad", name: str = "shop") -> str:
    """Settings with which every request fails."""
    return settings(greeting, name, 1)


def secret(token: str, name: str = "shop") -> str:
    """The Secret."""
    return document("Secret", f"{name}-token", type="Opaque", data={"token": base64.b64encode(token.encode()).decode()})


def deployment(name: str = "shop", **changes: Any) -> str:
    """The Deployment. `delay` is the time in seconds before a pod is asked whether it is ready, `linger` that of its preStop hook,
    `service` another program."""
    probe = {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1, "initialDelaySeconds": changes.get("delay", 0)}
    token = {"name": "API_TOKEN", "valueFrom": {"secretKeyRef": {"name": f"{name}-token", "key": "token"}}}
    container: dict[str, Any] = {
        "name": "web",
        "image": changes.get("image", "example/shop:1"),
        "command": [sys.executable, str(changes.get("service", SERVICE)), "/etc/shop/settings.yaml", *changes.get("arguments", ())],
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [token, *changes.get("env", ())],
        "readinessProbe": probe,
        "volumeMounts": [{"name": "settings", "mountPath": "/etc/shop"}],
    }
    if "linger" in changes:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": changes["linger"]}}}
    pod = {
        "terminationGracePeriodSeconds": 8,
        "containers": [container],
        "volumes": [{"name": "settings", "configMap": {"name": f"{name}-settings"}}],
    }
    spec = {
        "replicas": changes.get("replicas", 1),
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
    }
    return document("Deployment", name, "apps/v1", spec=spec)


def canary(port: int, analysis: Mapping[str, Any] = WEIGHTED, name: str = "shop", *, policy: str = "", **spec: Any) -> str:
    """The Canary."""
    annotations = {"annotations": {"trimtab.dev/policy": policy}} if policy else {}
    rules = {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "progressDeadlineSeconds": 20,
        "service": {"port": port, "targetPort": "http"},
        "analysis": dict(analysis),
        **spec,
    }
    return document("Canary", name, "flagger.app/v1beta1", metadata=annotations, spec=rules)


def policy(name: str = "careful", **spec: Any) -> str:
    """A RolloutPolicy."""
    return document("RolloutPolicy", name, "trimtab.dev/v1alpha1", spec=spec)


def shop(port: int, analysis: Mapping[str, Any] = WEIGHTED, *, rules: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, str]:
    """All files of one shop, with a first configuration. `rules` are the spec of a RolloutPolicy."""
    files = {
        "deployment.yaml": deployment(**changes),
        "settings.yaml": settings("one"),
        "token.yaml": secret("first-token"),
        "canary.yaml": canary(port, analysis, policy="careful" if rules is not None else ""),
    }
    return files | ({"policy.yaml": policy(**rules)} if rules is not None else {})

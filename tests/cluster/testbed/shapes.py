"""Objects of the cluster as entries of a trace: what a controller decides about them, without what the API server fills in."""

from typing import Any

from cluster.testbed.content import references

Raw = dict[str, Any]
CANARY_INGRESS = "nginx.ingress.kubernetes.io/canary"
DEFAULTS: Raw = {
    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    "imagePullPolicy": "IfNotPresent", "dnsPolicy": "ClusterFirst", "restartPolicy": "Always",
    "schedulerName": "default-scheduler", "securityContext": {}, "resources": {}, "defaultMode": 420,
    "creationTimestamp": None, "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
    "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], "protocol": "TCP", "type": "ClusterIP",
    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
    "revisionHistoryLimit": 10, "terminationGracePeriodSeconds": 1,
}  # fmt: skip
SERVERS_OWN = ("clusterIP", "clusterIPs")
BOOKKEEPING = ("deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation")
COOKIES = ("sessionAffinityCookie", "primarySessionAffinityCookie", "previousSessionAffinityCookie")


def joined(mapping: Raw | None) -> str | None:
    """A mapping on one line; an absent one stays absent, an empty one is `{}`."""
    if mapping is None:
        return None
    return ", ".join(f"{key}={value}" for key, value in sorted(mapping.items())) or "{}"


def status_head(status: Raw) -> Raw:
    """The part of a Canary's status that every entry has."""
    names = {"phase": "phase", "weight": "canaryWeight", "iterations": "iterations", "failedChecks": "failedChecks"}
    return {name: status.get(field) for name, field in names.items()}


def status_rest(found: Raw) -> Raw:
    """The part of a Canary's status that an entry has where it changed."""
    status = found.get("status") or {}
    conditions = [f"{item['type']}={item['status']} {item['reason']}: {item.get('message')}" for item in status.get("conditions") or []]
    return {
        "condition": "; ".join(conditions) or None,
        "trackedConfigs": joined(status.get("trackedConfigs")),
        **{name: status.get(name) for name in ("lastAppliedSpec", "lastPromotedSpec", *COOKIES)},
        "finalizers": ", ".join(found["metadata"].get("finalizers") or []) or None,
    }


def workload(name: str, found: Raw) -> tuple[Raw, str]:
    """A Deployment or DaemonSet, and the value of its pod annotation `flagger-id`."""
    template = found["spec"]["template"]
    spec, annotations = template["spec"], dict(template["metadata"].get("annotations") or {})
    entry: Raw = {"name": name}
    if "replicas" in found["spec"]:
        entry["replicas"] = found["spec"]["replicas"]
    entry["image"] = tag(spec)
    entry["reads"] = ", ".join(f"{kind.lower()}/{reference}" for kind, reference, _ in references(spec))
    if spec.get("nodeSelector"):
        entry["nodeSelector"] = joined(spec["nodeSelector"])
    identity = annotations.pop("flagger-id", "")
    if annotations:
        entry["podAnnotations"] = joined(annotations)
    return entry, identity


def tag(pod_spec: Raw) -> str:
    """The tag of the first container's image."""
    image: str = pod_spec["containers"][0]["image"]
    return image.rsplit(":", 1)[-1]


def service(name: str, found: Raw) -> Raw:
    """A Service."""
    spec = found["spec"]
    ports = sorted(f"{item.get('name')} {item['port']}->{item.get('targetPort')}" for item in spec.get("ports") or [])
    entry: Raw = {"name": name, "selector": joined(spec.get("selector")), "ports": ", ".join(ports)}
    if spec.get("clusterIP") == "None":
        entry["headless"] = True
    if spec.get("type") != "ClusterIP":
        entry["type"] = f"{spec.get('type')} {spec.get('externalName', '')}".strip()
    return entry


def autoscaler(name: str, found: Raw) -> Raw:
    """A HorizontalPodAutoscaler."""
    spec = found["spec"]
    return {"name": name, "target": spec["scaleTargetRef"]["name"], "min": spec.get("minReplicas"), "max": spec["maxReplicas"]}


def route(kind: str, found: Raw) -> Raw:
    """The weights and matches of a route object, in one form for every kind."""
    spec = found["spec"]
    if kind == "HTTPRoute":
        rules = [split(item, "backendRefs", "backendFilters", "filters") for item in spec.get("rules") or []]
    elif kind == "VirtualService":
        rules = [split(item, "route", "backendHeaders", "headers") for item in spec.get("http") or spec.get("tcp") or []]
    else:
        rules = [ingress(found)]
    labels = found["metadata"].get("labels")
    return {"kind": kind, "rules": rules, **({"labels": labels} if labels else {})}


def split(item: Raw, backends: str, extra: str, more: str) -> Raw:
    """One rule: the weight of each backend, then the rest of it."""
    rule = {key: value for key, value in item.items() if key != backends}
    to = {}
    for backend in item.get(backends) or []:
        name = backend["name"] if "name" in backend else backend["destination"]["host"]
        to[name] = backend.get("weight")
        if backend.get(more):
            rule.setdefault(extra, {})[name] = backend[more]
    return {"to": to, **rule}


def ingress(found: Raw) -> Raw:
    """What nginx goes by."""
    annotations = {key: value for key, value in (found["metadata"].get("annotations") or {}).items() if key.startswith(CANARY_INGRESS)}
    paths = [
        f"{rule.get('host', '*')}{path.get('path', '')} -> {path['backend']['service']['name']}"
        for rule in found["spec"].get("rules") or []
        for path in (rule.get("http") or {}).get("paths") or []
    ]
    return {"annotations": dict(sorted(annotations.items())), "paths": paths}


def about(meta: Raw) -> Raw:
    """Labels, annotations, owners and finalizers of an object."""
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key not in BOOKKEEPING}
    owners = [
        f"{item['kind']}/{item['name']}" + (" (controller)" * bool(item.get("controller"))) for item in meta.get("ownerReferences") or []
    ]
    parts = {"labels": meta.get("labels"), "annotations": annotations, "owners": owners, "finalizers": meta.get("finalizers")}
    return {name: value for name, value in parts.items() if value}


def canary_end(found: Raw) -> Raw:
    """A Canary at the end, without times."""
    status = {key: value for key, value in (found.get("status") or {}).items() if key != "lastTransitionTime"}
    if "conditions" in status:
        times = ("lastUpdateTime", "lastTransitionTime")
        status["conditions"] = [{key: value for key, value in item.items() if key not in times} for item in status["conditions"]]
    return {**about({key: value for key, value in found["metadata"].items() if key != "labels"}), "status": status}


def content(kind: str, found: Raw) -> Raw:
    """What an object says, without what the API server fills in."""
    if kind in ("ConfigMap", "Secret"):
        keys: Raw = {key: found[key] for key in ("type", "immutable") if key in found}
        if found.get("binaryData"):
            keys["binaryData"] = sorted(found["binaryData"])
        return {**keys, "data": found.get("data")}
    spec = prune(found.get("spec"))
    if kind == "Service" and "ports" in spec:
        spec["ports"] = sorted(spec["ports"], key=lambda item: item["port"])  # Flagger's order is random
    return {"spec": spec}


def prune(value: Any) -> Any:
    """Leaves out what the API server fills in."""
    if isinstance(value, dict):
        return {
            key: prune(item)
            for key, item in value.items()
            if not (key in DEFAULTS and DEFAULTS[key] == item) and key not in SERVERS_OWN
        }  # fmt: skip
    return [prune(item) for item in value] if isinstance(value, list) else value

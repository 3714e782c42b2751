"""Every check that `trimtab check` knows: those of objects here, those of content from `validation.catalogue`.

Read by the other modules of this room, by the faces (docs/checks.md, SARIF rules), and by `wiring`. An id never changes its meaning.
"""

from collections.abc import Mapping

from trimtab.model.content import Severity
from trimtab.validation.catalogue import CONTENT, Check

OBJECTS = (
    Check("yaml/parses", Severity.ERROR, "A file is YAML or JSON, in UTF-8, and no larger or deeper than any honest one."),
    Check("yaml/duplicate-key", Severity.ERROR, "No key is written twice; kubectl would silently take the last one."),
    Check("render/fails", Severity.ERROR, "A target renders."),
    Check("helm/values", Severity.ERROR, "Helm values fit the chart's values.schema.json."),
    Check("document/invalid", Severity.ERROR, "A document of Flagger's or Trimtab's kinds says only what it may say."),
    Check("document/canary", Severity.ERROR, "A Canary can work: steps, ports, percentages, matches fit together."),
    Check("document/query", Severity.ERROR, "A metric query is PromQL."),
    Check("document/template", Severity.ERROR, "A metric query uses template functions and variables that exist."),
    Check("document/metric", Severity.ERROR, "A metric of a Canary is measured by something, which can be asked."),
    Check("document/judge", Severity.WARNING, "The judge of a Canary can tell a bad pod, or a burst of errors, from a bad configuration."),
    Check("document/argocd", Severity.WARNING, "The Argo CD Application that a target names is here; one that brings another is an error."),
    Check("document/monitor", Severity.ERROR, "What monitor is to judge a target by is measured, and can be asked."),
    Check("document/reference", Severity.WARNING, "What a Canary names is rendered with it: its target, templates, alert providers."),
    Check("kubernetes/schema", Severity.ERROR, "An object fits the Kubernetes schema of its kind; unknown fields do not."),
    Check("kubernetes/removed", Severity.ERROR, "The API version of an object is one that clusters still serve."),
    Check("kubernetes/unknown", Severity.INFO, "The kind of an object is known, so that it can be checked."),
    Check("kubernetes/duplicate", Severity.ERROR, "No two objects of one target have the same kind, namespace and name."),
    Check("kubernetes/selector", Severity.ERROR, "A workload's selector fits the labels of its own pods."),
    Check("kubernetes/overlap", Severity.WARNING, "A workload's selector selects no pods of another workload."),
    Check("reference/port", Severity.ERROR, "A port that a Service or Canary names is one of the pods behind it."),
    Check("reference/secret", Severity.WARNING, "A Secret that a pod needs is rendered with it, or made by an object that is."),
    Check("reference/unused", Severity.INFO, "Some workload reads each ConfigMap."),
    Check("rollout/unseen", Severity.WARNING, "A change of configuration reaches pods that run; an error where this one does not."),
    Check("rollout/reload", Severity.INFO, "A changed file reaches running pods late, without a restart; the app has to read it anew."),
    Check("rollout/immutable", Severity.ERROR, "An immutable ConfigMap or Secret is changed under a new name only."),
    Check("check/validator", Severity.ERROR, "A validator of one's own finds nothing wrong."),
    Check("check/target-gone", Severity.ERROR, "A change from another repository takes no target of trimtab.yaml away."),
    Check("check/waiver-expired", Severity.WARNING, "A waiver has not expired."),
    Check("check/waiver-unused", Severity.INFO, "A waiver still waives something."),
    Check("rollout/no-traffic", Severity.WARNING, "A canary gets some of the requests that stable gets."),
)  # fmt: skip
"""The checks of files and objects."""

EVERY = tuple(sorted((*OBJECTS, *CONTENT), key=lambda check: check.id))
BY_ID: Mapping[str, Check] = {check.id: check for check in EVERY}


def severity_of(check: str) -> Severity:
    """What findings of a check usually have."""
    return BY_ID[check].severity

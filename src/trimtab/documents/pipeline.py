"""The kind Pipeline of `trimtab.dev/v1alpha1`: `trimtab.yaml` in a repository. It says where each app's copies live and how content
moves between them.

Read by `documents.decode`. It holds no tolerances: each target names RolloutPolicy and MetricTemplate files.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, field

from trimtab.documents.fields import Fields, LongDuration, ObjectMeta

RenderingName = Literal["plain", "kustomize", "helm"]
SeverityName = Literal["error", "warning", "off"]
RelativePath = Annotated[str, Meta(min_length=1, description="A path inside the repository, from its root.")]


class Forge(Fields, frozen=True, kw_only=True):
    """Where pull requests are opened. Left out, the remote's address and the CI's environment say it."""

    type: Literal["github", "gitlab", "gitea"]
    url: Annotated[str, Meta(description="The address of the server; without it the public one.")] | None = None
    repository: Annotated[str, Meta(description="OWNER/NAME; without it that of the remote `origin`.")] | None = None


class ArgoApplication(Fields, frozen=True, kw_only=True):
    """The Argo CD Application that brings a target into the cluster."""

    application: str
    namespace: str = "argocd"


class Promotion(Fields, frozen=True, kw_only=True):
    """How judged content gets into a target."""

    by: Annotated[
        Literal["pull-request", "push", "issue"],
        Meta(description="A pull request, a commit on the branch, or an issue whose label or `/approve` starts it."),
    ] = "pull-request"
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    approvers: Annotated[
        tuple[str, ...], Meta(description="Whose `/approve` counts, for `by: issue`; without it everybody who may write.")
    ] = ()
    draft: bool = False


class Target(Fields, frozen=True, kw_only=True):
    """One copy of an app: what is in its folder or values files is what its pods get."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    from_: (
        Annotated[str, Meta(description="The target whose judged content is promoted into this one; without it, people edit here.")] | None
    ) = field(name="from", default=None)
    path: RelativePath | None = None
    values: Annotated[tuple[str, ...], Meta(description="Helm values files in their order; the last one is the target's own.")] = ()
    set: Annotated[Mapping[str, str], Meta(description="Helm values set one by one, as `--set-string` takes them.")] = {}
    release: Annotated[str, Meta(description="The name of the Helm release; without it APP-TARGET.")] | None = None
    namespace: str | None = None
    workload: Annotated[str, Meta(description="KIND/NAME of what runs it; without it the only one that is rendered.")] | None = None
    argocd: ArgoApplication | None = None
    policy: RelativePath | None = None
    metrics: Annotated[tuple[str, ...], Meta(description="MetricTemplate files.")] = ()
    promotion: Promotion | None = None


class Smoke(Fields, frozen=True, kw_only=True):
    """One question to the canary before it is judged: an HTTP request and what its answer must be, or a command."""

    name: str
    url: str | None = None
    method: Literal["GET", "HEAD", "POST"] = "GET"
    status: int = 200
    headers: Annotated[Mapping[str, str], Meta(description="What the answer's headers must be.")] = {}
    json: Annotated[Mapping[str, str | int | float | bool | None], Meta(description="What the answer's JSON must be, by dotted path.")] = {}
    command: tuple[str, ...] | None = None
    within: LongDuration = "5s"


class Monitor(Fields, frozen=True, kw_only=True):
    """How the canary is watched by `trimtab monitor` before its content may be promoted."""

    prometheus: (
        Annotated[str, Meta(description="The address of Prometheus as the runner reaches it; TRIMTAB_PROMETHEUS takes its place.")] | None
    ) = None
    provider: (
        Annotated[
            Literal["istio", "linkerd", "nginx"],
            Meta(description="Whose counters count where canary and stable are compared; without it the pods' own."),
        ]
        | None
    ) = None
    duration: Annotated[LongDuration, Meta(description="The least time for which it is watched; a comparison may need more.")] = "5m"
    interval: LongDuration = "15s"
    timeout: Annotated[LongDuration, Meta(description="How long the canary may take until it runs the commit.")] = "10m"
    smoke: tuple[Smoke, ...] = ()


class App(Fields, frozen=True, kw_only=True):
    """One app and its targets."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    rendering: RenderingName | None = None
    chart: RelativePath | None = None
    namespace: str | None = None
    targets: Annotated[tuple[Target, ...], Meta(min_length=1)]
    keep: Annotated[tuple[str, ...], Meta(description="Dotted paths that never promote.")] = ("replicas", "replicaCount", "canary", "image")
    monitor: Monitor | None = None


class SchemaRule(Fields, frozen=True, kw_only=True):
    """The JSON Schema of one key of a ConfigMap."""

    config_map: Annotated[
        str,
        Meta(description="Its logical name, without the prefix, suffix or hash that rendering gives it; `*` in it stands for anything."),
    ]
    key: str
    schema: RelativePath


class Validator(Fields, frozen=True, kw_only=True):
    """A command of one's own: it gets the rendered objects on standard input and ends with 0 where they are fine."""

    name: str
    command: Annotated[tuple[str, ...], Meta(min_length=1)]
    timeout: LongDuration = "30s"


class Waiver(Fields, frozen=True, kw_only=True):
    """A finding that is accepted for a time."""

    check: str
    path: Annotated[str, Meta(description="The file it is in; `*` in it stands for anything.")]
    key: str | None = None
    reason: Annotated[str, Meta(min_length=1)]
    expires: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$", description="The last day on which it counts.")]


class Checks(Fields, frozen=True, kw_only=True):
    """What `trimtab check` goes by, before content may be shown to anyone."""

    severities: Mapping[str, SeverityName] = {}
    schemas: tuple[SchemaRule, ...] = ()
    validators: tuple[Validator, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    max_size: Annotated[int, Meta(ge=1, description="Bytes of all values of one ConfigMap.")] = 1024 * 1024
    factor: Annotated[float, Meta(gt=1, description="A number that changes by more than this factor is a finding.")] = 10.0


class PipelineSpec(Fields, frozen=True, kw_only=True):
    """Everything that pipelines go by."""

    forge: Forge | None = None
    branch: Annotated[str, Meta(description="The protected branch that clusters follow.")] = "main"
    apps: Annotated[tuple[App, ...], Meta(min_length=1)]
    check: Checks | None = None


class Pipeline(Fields, frozen=True, kw_only=True):
    """`trimtab.yaml`: apps, their targets, and how content moves between them."""

    api_version: Literal["trimtab.dev/v1alpha1"]
    kind: Literal["Pipeline"]
    metadata: ObjectMeta
    spec: PipelineSpec

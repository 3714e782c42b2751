"""How each provider counts requests: which counter, which label says bad, how the arms are told apart. Called by adapters and wiring.

Meshes and the application itself count by pod. Gateways count by service: then no pod can vouch for another, which the judge has to be
told (`Clumps.TIME`). Names of workloads, services and pods are compared whole; only pods of the past, which no API knows any more, are
told by how names of pods are made.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from trimtab.analysis.increments import Part, Series
from trimtab.analysis.ledger import Array
from trimtab.model.counting import By, Counting
from trimtab.model.scrapes import Arm

POD_LABELS = ("pod", "kubernetes_pod_name", "pod_name")
PROCESS_LABELS = ("instance", "container", "controller_pod")
SCRAPER_LABELS = ("job", "endpoint", "prometheus", "prometheus_replica")
"""Where two jobs, or two servers, scrape one process, these tell its series apart."""
BOUND = "le"


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A series as somebody answered with it: times in seconds since 1970, in order."""

    labels: Mapping[str, str]
    """With `__name__`."""
    times: Array
    values: Array
    created: Array | None = None


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose requests are counted."""

    namespace: str = ""
    target: str = ""
    """The workload."""
    service: str = ""
    ingress: str = ""
    primary: str = ""
    """The primary's workload, where that is not called TARGET-primary."""
    pods: tuple[tuple[str, Arm], ...] = ()
    """The pods that the API knows now; none where the past is asked about."""

    @property
    def other(self) -> str:
        """What the primary's workload is called."""
        return self.primary or f"{self.target}-primary"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One provider. `{namespace}`, `{target}`, `{primary}`, `{service}`, `{ingress}` and `{pods}` are filled in."""

    requests: str
    """The counter of all requests."""
    selectors: tuple[str, ...] = ("",)
    """Label matchers, tried one after the other until one finds something."""
    bad_label: str = "status"
    bad: str = "5.."
    """What values of the label mean a failed request, as a whole."""
    errors: str = ""
    """A counter of failed requests, where no label tells them."""
    durations: str = "http_request_duration_seconds"
    """The histogram, without `_bucket`."""
    unit: float = 1.0
    """What it counts in, in seconds."""
    by: By = By.POD
    arm_label: str = ""
    canary: str = "{target}"
    primary: str = "{primary}"
    """Values of the label. Of a gateway's label what comes after `*` may be anything."""

    @property
    def by_pod(self) -> bool:
        """Do pods vouch for each other?"""
        return self.by is not By.SERVICE

    def names(self, latency: bool) -> tuple[str, ...]:
        """The counters to ask for."""
        return (f"{self.durations}_bucket",) if latency else tuple(name for name in (self.requests, self.errors) if name)

    def queries(self, name: str, whose: Whose) -> tuple[str, ...]:
        """Instant vector selectors, to be tried in order."""
        return tuple(f"{name}{{{filled(each, whose)}}}" for each in self.selectors)


WORKLOADS = '{label}=~"{{target}}|{{primary}}"'
ISTIO = Recipe(
    "istio_requests_total",
    ('reporter="destination", destination_workload_namespace="{namespace}", ' + WORKLOADS.format(label="destination_workload"),),
    bad_label="response_code",
    durations="istio_request_duration_milliseconds",
    unit=0.001,
    by=By.WORKLOAD,
    arm_label="destination_workload",
)
LINKERD = Recipe(
    "response_total",
    ('namespace="{namespace}", direction="inbound", ' + WORKLOADS.format(label="deployment"),),
    bad_label="classification",
    bad="failure",
    durations="response_latency_ms",
    unit=0.001,
    by=By.WORKLOAD,
    arm_label="deployment",
)
HTTP = Recipe(
    "http_request_duration_seconds_count",
    ('namespace="{namespace}", pod=~"{pods}"', 'kubernetes_namespace="{namespace}", kubernetes_pod_name=~"{pods}"'),
)
NGINX = Recipe(
    "nginx_ingress_controller_requests",
    ('namespace="{namespace}", ingress="{ingress}"', 'exported_namespace="{namespace}", ingress="{ingress}"'),
    durations="nginx_ingress_controller_response_duration_seconds",
    by=By.SERVICE,
    arm_label="canary",
    canary="?*",
    primary="",
)
TRAEFIK = Recipe(
    "traefik_service_requests_total",
    ('service=~"{namespace}-{service}-(canary|primary)-.+@kubernetescrd"',),
    bad_label="code",
    durations="traefik_service_request_duration_seconds",
    by=By.SERVICE,
    arm_label="service",
    canary="{namespace}-{service}-canary-*",
    primary="{namespace}-{service}-primary-*",
)
CONTOUR = Recipe(
    "envoy_cluster_upstream_rq",
    ('envoy_cluster_name=~"{namespace}_{service}-(canary|primary)_.+"',),
    bad_label="envoy_response_code",
    durations="envoy_cluster_upstream_rq_time",
    unit=0.001,
    by=By.SERVICE,
    arm_label="envoy_cluster_name",
    canary="{namespace}_{service}-canary_*",
    primary="{namespace}_{service}-primary_*",
)
RECORDED = Recipe("requests", errors="errors", durations="duration", by=By.ARM, arm_label="arm", canary="canary", primary="primary")
"""Files written for Trimtab."""
USUALLY = Counting()
SAID = ("requests", "errors", "bad_label", "bad", "durations", "unit", "by", "arm_label", "canary", "primary")
"""What a metric may say of itself."""
RECIPES = {"istio": ISTIO, "linkerd": LINKERD, "http": HTTP, "nginx": NGINX, "traefik": TRAEFIK, "contour": CONTOUR}


def recipe(provider: str, counting: Counting = USUALLY) -> Recipe:
    """That of a Canary's provider, as far as nothing else is said; the application's own metrics where the provider counts nothing."""
    usual = RECIPES.get(provider.partition(":")[0], HTTP)
    written = {name: value for name in SAID if (value := getattr(counting, name))}
    if counting.requests and not counting.errors:
        written["errors"] = ""
    if counting.selector:
        written["selectors"] = (counting.selector,)
    return replace(usual, **written) if written else usual


def filled(text: str, whose: Whose) -> str:
    """With names filled in, of which only dots would mean something else in a pattern."""
    known = "|".join(literal(pod) for pod, _ in whose.pods)
    ours = f"{literal(whose.target)}-.+"
    names = {
        "namespace": whose.namespace, "target": whose.target, "primary": whose.other, "service": whose.service or whose.target,
        "ingress": whose.ingress or whose.target, "pods": known or (f"{ours}|{literal(whose.primary)}-.+" if whose.primary else ours),
    }  # fmt: skip
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def literal(name: str) -> str:
    """A name in a pattern."""
    return name.replace(".", "[.]")


@dataclass(slots=True)
class Sorter:
    """Puts series where they belong."""

    recipe: Recipe
    whose: Whose
    _arms: dict[str, Arm] = field(init=False)

    def __post_init__(self) -> None:
        self._arms = dict(self.whose.pods)

    def pod(self, labels: Mapping[str, str]) -> str:
        """The name of its pod; that of the scraped address where there is none."""
        return next((labels[name] for name in POD_LABELS if labels.get(name)), labels.get("instance", ""))

    def arm(self, labels: Mapping[str, str]) -> Arm | None:
        """Of which arm it is; None where it is of neither."""
        if self.recipe.by is By.POD:
            pod = self.pod(labels)
            return self._arms.get(pod) if self._arms else named(pod, self.whose)
        value = labels.get(self.recipe.arm_label, "")
        for arm, wanted in ((Arm.PRIMARY, self.recipe.primary), (Arm.CANARY, self.recipe.canary)):
            if matches(value, filled(wanted, self.whose)):
                return None if self.gone(labels) else arm
        return None

    def gone(self, labels: Mapping[str, str]) -> bool:
        """Is it of a pod of this workload that the API does not know any more? What it counted last belongs to the canary before."""
        pod = self.pod(labels)
        return self.recipe.by_pod and bool(self._arms) and pod not in self._arms and named(pod, self.whose) is not None

    def lasting(self, labels: Mapping[str, str]) -> bool:
        """Does it go on counting when the canary's pods are others? So do services, and whoever counts for pods and is none of them."""
        return not self.recipe.by_pod or (self.recipe.by is By.WORKLOAD and self.pod(labels) not in self._arms)

    def place(self, labels: Mapping[str, str]) -> tuple[str, str, Arm] | None:
        """Source, pod and arm."""
        arm = self.arm(labels)
        if arm is None:
            return None
        pod = self.pod(labels) if self.recipe.by_pod else f"{arm} service"
        return "/".join((self.pod(labels), *(labels.get(name, "") for name in PROCESS_LABELS))), pod, arm

    def part(self, labels: Mapping[str, str]) -> Part:
        """What a counter counts."""
        if self.recipe.errors:
            return Part.BAD if labels.get("__name__") == self.recipe.errors else Part.TOTAL
        return Part.FAILED if re.fullmatch(self.recipe.bad, labels.get(self.recipe.bad_label, "")) else Part.TOTAL


def once(found: Iterable[Found]) -> Iterable[Found]:
    """Every process as one scraper saw it, the one with most readings: whatever is counted twice would count as evidence twice."""
    every = list(found)
    readings: dict[tuple[str, ...], dict[tuple[str, ...], int]] = defaultdict(lambda: defaultdict(int))
    for each in every:
        readings[process(each)][scraper(each)] += len(each.times)
    chosen = {one: min(scrapers, key=lambda which: (-scrapers[which], which)) for one, scrapers in readings.items()}
    return (each for each in every if not each.labels.get("instance") or scraper(each) == chosen[process(each)])


def process(found: Found) -> tuple[str, ...]:
    """Which process a series is of."""
    return tuple(found.labels.get(name, "") for name in (*POD_LABELS, *PROCESS_LABELS))


def scraper(found: Found) -> tuple[str, ...]:
    """Who scraped it."""
    return tuple(found.labels.get(name, "") for name in SCRAPER_LABELS)


def counters(found: Iterable[Found], recipe: Recipe, whose: Whose) -> list[Series]:
    """Failed requests out of requests. Series of nobody concerned are left out."""
    sorter = Sorter(recipe, whose)
    made = []
    for each in once(found):
        place = sorter.place(each.labels)
        if place is not None and each.labels.get("__name__", recipe.requests) in recipe.names(latency=False):
            made.append(
                Series(*place, sorter.part(each.labels), each.times, each.values, created=each.created, lasting=sorter.lasting(each.labels))
            )
    return made


def histograms(found: Iterable[Found], recipe: Recipe, whose: Whose) -> list[Series]:
    """Requests by how long they took. A histogram whose bounds change is one series for each layout."""
    sorter = Sorter(recipe, whose)
    together: dict[tuple[tuple[str, str], ...], list[Found]] = defaultdict(list)
    for each in once(found):
        if BOUND in each.labels and each.labels.get("__name__", "") in (f"{recipe.durations}_bucket", recipe.durations, ""):
            together[tuple(sorted((name, value) for name, value in each.labels.items() if name != BOUND))].append(each)
    made: list[Series] = []
    for labels, bounds in together.items():
        place = sorter.place(dict(labels))
        if place is not None:
            lasting = sorter.lasting(dict(labels))
            made += [replace(each, lasting=lasting) for each in layouts(place, bounds, recipe.unit)]
    return made


def layouts(place: tuple[str, str, Arm], buckets: list[Found], unit: float) -> Iterable[Series]:
    """One histogram, cut where its bounds change. Without a bucket for all requests nothing is known."""
    buckets = sorted(buckets, key=lambda each: float(each.labels[BOUND]))
    bounds = np.asarray([float(each.labels[BOUND]) for each in buckets])
    times = np.unique(np.concatenate([each.times for each in buckets]))
    values = np.full((len(times), len(buckets)), np.nan)
    created = np.full(len(times), np.nan)
    for column, each in enumerate(buckets):
        rows = np.searchsorted(times, each.times)
        values[rows, column] = each.values
        if each.created is not None:
            created[rows] = each.created
    there = ~np.isnan(values)
    for layout in np.unique(there, axis=0):
        rows = np.flatnonzero(np.all(there == layout, axis=1))
        if np.isinf(bounds[layout]).any():
            upto = tuple(round(float(bound) * unit, 9) for bound in bounds[layout][:-1])
            yield Series(*place, Part.BUCKETS, times[rows], values[rows][:, layout], upto, created[rows])


def matches(value: str, wanted: str) -> bool:
    """Is this the label's value? `*` at the end stands for anything, `?*` for anything but nothing."""
    if wanted == "?*":
        return bool(value)
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


def named(pod: str, whose: Whose) -> Arm | None:
    """The arm of a pod of the past by how a Deployment or DaemonSet names pods: NAME-HASH-ID or NAME-ID."""
    for arm, name in ((Arm.PRIMARY, whose.other), (Arm.CANARY, whose.target)):
        if re.fullmatch(rf"{re.escape(name)}(-[a-z0-9]{{6,10}})?-[a-z0-9]{{5}}", pod):
            return arm
    return None

"""What a Canary and its RolloutPolicy may not say where there is no cluster (L5). Called by `wiring` around the translation for `up`."""

from dataclasses import replace
from datetime import timedelta

from trimtab.documents.flagger import Canary
from trimtab.errors import InputError
from trimtab.model.counting import Counting
from trimtab.model.judging import Clumps
from trimtab.model.policy import Analysis


def refuse_what_cannot_work(canary: Canary) -> None:
    """InputError that names every field which would change what happens but cannot on one machine.

    Fields that only say how a mesh or gateway is reached (hosts, gateways, gatewayRefs, ingressRef, timeouts, retries) are left alone.
    """
    spec, service = canary.spec, canary.spec.service
    found = {
        "spec.targetRef.kind Service": spec.target_ref.kind == "Service",
        "spec.autoscalerRef": spec.autoscaler_ref is not None,
        "spec.revertOnDeletion": spec.revert_on_deletion,
        "spec.analysis.sessionAffinity": spec.analysis.session_affinity is not None,
        "spec.analysis.match.sourceLabels": any(match.source_labels for match in spec.analysis.match),
        "spec.service.rewrite": service is not None and service.rewrite is not None,
        "spec.service.match": service is not None and bool(service.match),
        "spec.service.headers": service is not None and service.headers is not None,
        "spec.service.corsPolicy": service is not None and service.cors_policy is not None,
        "spec.service.mirror": service is not None and bool(service.mirror),
        "spec.service.delegation": service is not None and service.delegation,
        "spec.service.portDiscovery": service is not None and service.port_discovery,
    }
    wrong = [field for field, there in found.items() if there]
    if wrong:
        raise InputError(f"{', '.join(wrong)} cannot work on one machine. Remove it, for example with an overlay for local use")


def counted_by_envoy(analysis: Analysis, interval: timedelta) -> Analysis:
    """How canary and primary are compared where this machine's Envoy counts their requests: by backend, so that no pod vouches for another.

    `interval` is how long a scrape is where the policy does not say. InputError where a metric names counters of somebody else.
    """
    judge = analysis.judge
    if judge is None:
        return analysis
    for index, metric in enumerate(judge.metrics):
        if metric.counting != Counting():
            place = f"spec.judge.metrics[{index}].source of the RolloutPolicy"
            raise InputError(
                f"{place} names counters of a Prometheus, and here Envoy counts. Name one in spec.judge.prometheus, or remove source"
            )
    return replace(analysis, judge=replace(judge, clumps=Clumps.TIME, interval=judge.interval or interval))

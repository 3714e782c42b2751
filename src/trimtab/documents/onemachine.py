"""What a Canary may not say where there is no cluster (L5). Called by `wiring` before the translation for `up`."""

from trimtab.documents.flagger import Canary
from trimtab.errors import InputError


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

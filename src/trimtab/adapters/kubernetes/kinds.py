"""Names of the resources that Trimtab reads or writes. Used by everything in this room."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource of the API."""

    api_version: str
    kind: str
    plural: str

    @property
    def prefix(self) -> str:
        """Where its group and version begin in the API."""
        return f"/{'apis' if '/' in self.api_version else 'api'}/{self.api_version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Where it is found; without a namespace in all of them, or in none where the kind has none."""
        places = (f"namespaces/{namespace}" if namespace else "", self.plural, name, subresource)
        return "/".join((self.prefix, *(place for place in places if place)))

    def __str__(self) -> str:
        group = self.api_version.rpartition("/")[0]
        return f"{self.plural}.{group}" if group else self.plural


NAMESPACE = Kind("v1", "Namespace", "namespaces")
POD = Kind("v1", "Pod", "pods")
SERVICE = Kind("v1", "Service", "services")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
SECRET = Kind("v1", "Secret", "secrets")
EVENT = Kind("v1", "Event", "events")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
DAEMON_SET = Kind("apps/v1", "DaemonSet", "daemonsets")
STATEFUL_SET = Kind("apps/v1", "StatefulSet", "statefulsets")
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
HPA = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
SCALED_OBJECT = Kind("keda.sh/v1alpha1", "ScaledObject", "scaledobjects")
INGRESS = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
HTTP_ROUTE_BETA = Kind("gateway.networking.k8s.io/v1beta1", "HTTPRoute", "httproutes")
VIRTUAL_SERVICE = Kind("networking.istio.io/v1beta1", "VirtualService", "virtualservices")
DESTINATION_RULE = Kind("networking.istio.io/v1beta1", "DestinationRule", "destinationrules")
TRAEFIK_SERVICE = Kind("traefik.io/v1alpha1", "TraefikService", "traefikservices")
CUSTOM_RESOURCE_DEFINITION = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions")
SELF_SUBJECT_REVIEW = Kind("authentication.k8s.io/v1", "SelfSubjectReview", "selfsubjectreviews")
CANARY = Kind("flagger.app/v1beta1", "Canary", "canaries")
METRIC_TEMPLATE = Kind("flagger.app/v1beta1", "MetricTemplate", "metrictemplates")
ALERT_PROVIDER = Kind("flagger.app/v1beta1", "AlertProvider", "alertproviders")
ROLLOUT_POLICY = Kind("trimtab.dev/v1alpha1", "RolloutPolicy", "rolloutpolicies")
CONFIG_ROLLOUT = Kind("trimtab.dev/v1alpha1", "ConfigRollout", "configrollouts")
ROLLOUT_COMMAND = Kind("trimtab.dev/v1alpha1", "RolloutCommand", "rolloutcommands")
ARGO_APPLICATION = Kind("argoproj.io/v1alpha1", "Application", "applications")

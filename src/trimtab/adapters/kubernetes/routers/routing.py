"""What a route object is made from: the Canary, its pinned policy and the exposure that is wanted. Read by every provider of this room.

Names and weights come from the policy, which is pinned (R2); hosts, gateways, headers and the like from the Canary as it is.
"""

from dataclasses import dataclass

import msgspec

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.marks import FLUX_OFF
from trimtab.documents.analysis import SessionAffinity
from trimtab.documents.flagger import Canary
from trimtab.documents.service import CanaryService
from trimtab.errors import InputError
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.rollout import Exposure


@dataclass(frozen=True, slots=True)
class Routing:
    """One wish for the route of one Canary. `uid` is the Canary's."""

    key: CanaryKey
    uid: str
    canary: Canary
    policy: Policy
    exposure: Exposure
    serial: int
    """Of the record that wants it."""

    @property
    def service(self) -> CanaryService:
        """`spec.service`. InputError where there is none."""
        found = self.canary.spec.service
        if found is None:
            raise InputError(f"Canary {self.key} has no spec.service: give at least spec.service.port")
        return found

    @property
    def apex(self) -> str:
        """The Service that users call."""
        return self.policy.service.name

    @property
    def primary_service(self) -> str:
        """The Service in front of the primary."""
        return f"{self.apex}-primary"

    @property
    def canary_service(self) -> str:
        """The Service in front of the canary."""
        return f"{self.apex}-canary"

    @property
    def weight(self) -> int:
        """The canary's share of requests that match nothing, in percent."""
        return self.exposure.weight

    @property
    def tested(self) -> bool:
        """Is this an A/B test? A share of all requests, as after a failed promotion (SM-27), reaches everybody, whatever they match."""
        return bool(self.policy.match and self.policy.iterations) and not self.weight

    @property
    def affinity(self) -> SessionAffinity | None:
        """The cookie that keeps users where they are; none in an A/B test (QUIRK-27)."""
        return None if self.policy.match and self.policy.iterations else self.canary.spec.analysis.session_affinity

    @property
    def labels(self) -> dict[str, object]:
        """Labels of the route object."""
        apex = self.service.apex
        return dict(apex.labels) if apex else {}

    @property
    def annotations(self) -> dict[str, object]:
        """Annotations of the route object."""
        apex = self.service.apex
        return {**(apex.annotations if apex else {}), **FLUX_OFF}


def plain(document: msgspec.Struct) -> Object:
    """A part of a document as JSON, without what it does not say."""
    found: Object = msgspec.json.decode(msgspec.json.encode(document), type=dict[str, object])
    return found

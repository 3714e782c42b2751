"""JSON Schemas in ConfigMaps, as `spec.validation.schemas[].schemaFrom` of RolloutPolicies names them. Used by `sources`.

ConfigMaps are mirrored without their values, so those that are named are fetched, once for each of their versions.
"""

from collections.abc import Mapping

from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.configs import Configs, content_of, version_of
from trimtab.adapters.kubernetes.kinds import CONFIG_MAP, Kind
from trimtab.documents.flagger import POLICY_ANNOTATION, Canary
from trimtab.documents.translate import Name
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.errors import InputError
from trimtab.model.names import ConfigKind, ConfigName


class Schemas:
    """`texts` by namespace, ConfigMap and key, as last fetched."""

    def __init__(self, cluster: Cluster, configs: Configs, policies: Mapping[Name, RolloutPolicy]) -> None:
        self._cluster, self._configs, self._policies = cluster, configs, policies
        self._versions: dict[Name, str] = {}
        self.texts: dict[tuple[str, str, str], str] = {}

    def things(self, namespace: str, canary: Canary) -> frozenset[tuple[Kind, str, str]]:
        """The ConfigMaps whose change may mean something to a Canary; none where its policy cannot be read, which is told elsewhere."""
        name = canary.metadata.annotations.get(POLICY_ANNOTATION, "")
        try:
            policy = self._policies.get((namespace, name))
        except InputError:
            policy = None
        written = policy.spec.validation if policy is not None else None
        sources = [rule.schema_from for rule in written.schemas] if written is not None else []
        return frozenset((CONFIG_MAP, namespace, source.config_map) for source in sources if source is not None)

    async def refresh(self, namespace: str, canary: Canary) -> None:
        """Fetches what a Canary's policy names, where it is newer than what is known. OutsideError where that cannot be had."""
        for _, space, name in sorted(self.things(namespace, canary), key=lambda thing: thing[2]):
            there = self._cluster.mirrors[CONFIG_MAP].get(space, name)
            version = version_of(there) if there is not None else ""
            if self._versions.get((space, name)) == version:
                continue
            found = await self._configs.fetch(space, ConfigName(ConfigKind.CONFIG_MAP, name))
            for known in [known for known in self.texts if known[:2] == (space, name)]:
                del self.texts[known]
            for key, value in content_of(found).data.items() if found is not None else ():
                self.texts[space, name, key] = value.decode(errors="replace")
            self._versions[space, name] = version

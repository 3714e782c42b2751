"""From a primary's pod template back to its target's: labels, anti-affinity, and names of copies (WL-1 to WL-3, CFG-14). Pure.

Used by `adoption`, which has nothing but the live primary to tell what was promoted.
"""

from collections.abc import Mapping, Sequence

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.primary import FLAGGER_ID, bare
from trimtab.adapters.kubernetes.settings import FLUX
from trimtab.adapters.kubernetes.targets import at_scale
from trimtab.config.digest import canonical_json
from trimtab.config.references import mapping, rewrite
from trimtab.model.names import ConfigName

SUFFIX = "-primary"


def undone(primary: Object, target: str, labels: Sequence[str], sources: Mapping[ConfigName, str]) -> Object:
    """The template that a primary's was made from. `sources` gives the names of what its copies are copies of."""
    below = mapping(primary.get("spec"))
    plain = rewrite(at_scale(mapping(below.get("template"))), sources)
    metadata = mapping(plain.get("metadata"))
    # A primary selects its pods by the one label that tells them from the target's.
    telling = mapping(mapping(below.get("selector")).get("matchLabels"))
    there = mapping(metadata.get("labels"))
    head: Object = {
        **metadata,
        "labels": {name: str(text).removesuffix(SUFFIX) if name in telling else text for name, text in there.items()},
    }
    notes = {name: text for name, text in mapping(metadata.get("annotations")).items() if name != FLAGGER_ID}
    head.pop("annotations", None)
    if notes:
        head["annotations"] = notes
    spec: Object = dict(mapping(plain.get("spec")))
    affinity = mapping(spec.get("affinity"))
    if "podAntiAffinity" in affinity:
        spec["affinity"] = {**affinity, "podAntiAffinity": together(affinity["podAntiAffinity"], target, labels)}
    if "topologySpreadConstraints" in spec:
        spec["topologySpreadConstraints"] = together(spec["topologySpreadConstraints"], target, labels)
    return {**plain, "metadata": head, "spec": spec}


def together(value: object, target: str, labels: Sequence[str]) -> object:
    """Label selectors somewhere in `value`, where they name the primary's pods, naming the target's."""
    if isinstance(value, list):
        return [together(item, target, labels) for item in value]
    if not isinstance(value, Mapping):
        return value
    primary = f"{target}{SUFFIX}"
    new: Object = {name: together(item, target, labels) for name, item in value.items()}
    if matched := mapping(value.get("matchLabels")):
        new["matchLabels"] = {name: target if name in labels and text == primary else text for name, text in matched.items()}
    if value.get("key") in labels and isinstance(values := value.get("values"), list):
        new["values"] = [target if text == primary else text for text in values]
    return new


def alike(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Do two templates say the same to pods? What is for Flux, and Flagger's mark of a restart, does not count."""
    return canonical_json(counting(one)) == canonical_json(counting(other))


def counting(template: Mapping[str, object]) -> Object:
    """The part of a template that counts."""
    metadata = mapping(template.get("metadata"))
    notes = {name: text for name, text in mapping(metadata.get("annotations")).items() if FLUX not in name and name != FLAGGER_ID}
    return bare({**template, "metadata": {**metadata, "annotations": notes}})


def copies_in(names: Sequence[ConfigName], shared: Sequence[ConfigName]) -> dict[ConfigName, str]:
    """Which of the names in a primary are Flagger's copies, and of what: those that end in -primary, unless the target names them too."""
    return {name: name.name.removesuffix(SUFFIX) for name in names if name.name.endswith(SUFFIX) and name not in shared}

"""Variables of a container, as Kubernetes makes them, with ports and paths of this machine. Pure; called by `podspec`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.adapters.local.podfields import PodFields
from trimtab.adapters.local.podlocal import Local
from trimtab.config.references import BY_KEY, BY_OBJECT, items, mapping
from trimtab.errors import InputError
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName

NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
REFERENCE = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")


@dataclass(frozen=True, slots=True)
class Variables:
    """Makes the variables of one container. Values of Secrets are taken as they are and never shown."""

    contents: Mapping[ConfigName, Content]
    pod: PodFields
    local: Local
    where: str

    def of(self, written: Mapping[str, object], before: Mapping[str, str]) -> dict[str, str]:
        """All variables: `before`, then envFrom, then env, in the order in which later ones win."""
        found = dict(before)
        for entry in items(written.get("envFrom")):
            found |= self.from_object(entry)
        for variable in items(written.get("env")):
            name = str(variable.get("name"))
            value = self.value_of(name, variable, found)
            if value is not None:
                found[name] = value
        return found

    def from_object(self, entry: Mapping[str, object]) -> dict[str, str]:
        """All keys of a ConfigMap or Secret that make good names of variables; Kubernetes skips the others too."""
        prefix = str(entry.get("prefix") or "")
        for field, kind in BY_OBJECT:
            reference = mapping(entry.get(field))
            if not reference:
                continue
            name = ConfigName(kind, str(reference.get("name")))
            content = self.contents.get(name)
            if content is None and reference.get("optional") is not True:
                raise InputError(f"{name} does not exist, and {self.where}.envFrom needs it. Add it, or mark it `optional: true`")
            data = content.data if content is not None else {}
            return {prefix + key: self.text(name, key, value) for key, value in data.items() if NAME.fullmatch(prefix + key)}
        raise InputError(f"{self.where}.envFrom names neither a configMapRef nor a secretRef")

    def value_of(self, name: str, variable: Mapping[str, object], known: Mapping[str, str]) -> str | None:
        """The value of one variable; None where an optional key is not there."""
        where = f"{self.where}.env[{name}]"
        origin = mapping(variable.get("valueFrom"))
        for field, kind in BY_KEY:
            if reference := mapping(origin.get(field)):
                return self.key_of(ConfigName(kind, str(reference.get("name"))), reference, where)
        if "fieldRef" in origin:
            return self.pod.value(mapping(origin["fieldRef"]).get("fieldPath"), where)
        if origin:
            raise InputError(f"{where}.valueFrom.{next(iter(origin))} cannot work on one machine; write a value")
        return expand(self.local.text(str(variable.get("value") or ""), where), known)

    def key_of(self, name: ConfigName, reference: Mapping[str, object], where: str) -> str | None:
        """One key of a ConfigMap or Secret."""
        key, content = str(reference.get("key")), self.contents.get(name)
        if content is not None and key in content.data:
            return self.text(name, key, content.data[key])
        if reference.get("optional") is True:
            return None
        if content is None:
            raise InputError(f"{name} does not exist, and {where} needs it. Add it, or mark the reference `optional: true`")
        raise InputError(f"{name} has no key {key!r}, which {where} needs. Add the key, or mark the reference `optional: true`")

    def text(self, name: ConfigName, key: str, value: bytes) -> str:
        """A value as a variable can hold it. What is in a Secret is never touched, so it cannot be told either."""
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise InputError(f"{name} key {key!r} is not text, so {self.where} cannot have it as a variable. Mount it as a file")
        return text if name.kind is ConfigKind.SECRET else self.local.text(text, f"{self.where}, {name} key {key}")


def expand(text: str, known: Mapping[str, str]) -> str:
    """`$(NAME)` as Kubernetes expands it: unknown names stay, `$$(NAME)` is an escaped one."""
    return REFERENCE.sub(lambda found: "$" if found[0] == "$$" else known.get(found[1], found[0]), text)

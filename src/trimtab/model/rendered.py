"""What a target renders to: its objects, where each was written, and who reads which ConfigMap. Made by `adapters/rendering`.

Read by `check`, `diff`, `render`, `promote`. Everything is a plain value; Secrets are decoded in here, so it never goes into a log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.model.content import Content
from trimtab.model.names import ConfigName

Place = tuple[str, int]
"""A file, by its path from the repository's root, and a line in it, from 1; 0 where the line is not known."""


@dataclass(frozen=True, slots=True)
class RenderedObject:
    """One object as the cluster would get it."""

    api_version: str
    kind: str
    namespace: str
    """Empty where neither the object nor the target names one."""
    name: str
    logical: str
    """The name without what the overlay or release puts around it: prefix, suffix, hash. The same in all targets of an app."""
    tree: Mapping[str, object] = field(repr=False)
    file: str = ""
    line: int = 0
    """Where it was written first; a patch over it is seen in `key_places`. 0 where the line is not known."""
    content: Content | None = field(default=None, repr=False)
    """Of a ConfigMap or Secret, under its rendered name."""
    key_places: Mapping[str, Place] = field(default_factory=dict)
    """Where the value of each key was written last, as far as known."""
    value_lines: Mapping[str, Sequence[int]] = field(default_factory=dict, repr=False)
    """Of such a value that has several lines: the lines of that file on which they stand."""

    @property
    def place(self) -> str:
        """File and line for people."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True, slots=True)
class Use:
    """One workload reads one ConfigMap or Secret."""

    reader: RenderedObject = field(repr=False)
    name: ConfigName
    """As the workload names it."""
    content: RenderedObject | None = field(repr=False)
    """The object, where this target renders it."""
    keys: frozenset[str] = frozenset()
    """Keys that must be there."""
    places: tuple[str, ...] = ()
    """The fields that name it: `containers[app].envFrom`."""
    mandatory: bool = True
    """False where the pod starts without it."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """Everything that one target renders to, in the tool's order."""

    name: str
    """What was rendered, for people: `myapp/canary`, or a folder."""
    rendering: str
    """`plain`, `kustomize` or `helm`."""
    tool: str
    """What rendered it, with its version."""
    commit: str = ""
    """Empty for the work tree."""
    objects: tuple[RenderedObject, ...] = field(default=(), repr=False)
    uses: tuple[Use, ...] = field(default=(), repr=False)
    inputs: tuple[str, ...] = field(default=(), repr=False)
    """The files that it was made from, by their paths from the repository's root, sorted."""
    warnings: tuple[str, ...] = ()

    def configs(self) -> tuple[RenderedObject, ...]:
        """ConfigMaps and Secrets."""
        return tuple(one for one in self.objects if one.content is not None)

    def read(self) -> tuple[RenderedObject, ...]:
        """The ConfigMaps and Secrets that some workload reads, each once."""
        return tuple(one for one in self.configs() if any(use.content is one for use in self.uses))

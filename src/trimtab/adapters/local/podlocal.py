"""Ports and paths of a template as they are on this machine (L3). Pure; called by `podspec` and `podenv`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Local:
    """What is written, and what it is here. `told` collects each replacement once, for people; it holds nothing else of the text."""

    ports: Mapping[int, int]
    """Local ports by container port."""
    paths: Mapping[str, str]
    """Folders of the pod by mount path."""
    told: dict[str, None] = field(default_factory=dict)

    def text(self, written: str, where: str) -> str:
        """The text with a container port that stands alone or after `=` or `:` as the local one, and mount paths as folders."""
        patterns = []
        if self.paths:
            longest_first = "|".join(re.escape(path) for path in sorted(self.paths, key=len, reverse=True))
            patterns.append(rf"(?:(?<![\w./-])|(?<=file://))(?P<path>{longest_first})(?![\w-]|\.\w)")
        if self.ports:
            numbers = "|".join(str(port) for port in self.ports)
            patterns.append(rf"(?:(?<=[\s=:\"'])|^)(?P<port>{numbers})(?![\w-]|\.\w)")
        if not patterns:
            return written

        def here(found: re.Match[str]) -> str:
            new = self.paths[found[0]] if found.groupdict().get("path") else str(self.ports[int(found[0])])
            self.told[f"{where}: {found[0]} -> {new}"] = None
            return new

        return re.sub("|".join(patterns), here, written)

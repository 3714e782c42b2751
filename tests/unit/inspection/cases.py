"""Targets written as YAML in tests, and what is found in them."""

from collections.abc import Sequence

from trimtab.adapters.checking.schemas import kubernetes_schemas
from trimtab.adapters.rendering.objects import Written, apart, key_places, made, manifests, value_lines
from trimtab.config.consumers import uses
from trimtab.documents.nodes import Path
from trimtab.documents.yaml import Document, read_yaml
from trimtab.inspection.inspect import Case, inspected
from trimtab.inspection.neighbours import neighbours
from trimtab.model.content import ContentRules, Finding
from trimtab.model.rendered import Place, Rendered, RenderedObject

FILE = "all.yaml"


def target(text: str, name: str = "web/canary", suffix: str = "") -> Rendered:
    """What a target renders to; `suffix` is what its names have and other targets' do not."""
    objects = []
    for document, _, called in manifests(read_yaml(text, FILE)):
        written = Written(called.removesuffix(suffix), FILE, document.line, key_places(document), value_lines(document))
        objects.append(made(document, written, "shop"))
    kept = apart(objects)
    return Rendered(name, "plain", "plain files", "", kept, uses(kept), (FILE,))


class TextLines:
    """The lines of one text."""

    def __init__(self, text: str) -> None:
        self._documents = {document.line: document for document, _, _ in manifests(read_yaml(text, FILE))}

    def document(self, one: RenderedObject) -> Document:
        """What an object was written as."""
        return self._documents[one.line]

    def place(self, one: RenderedObject, path: Path) -> Place:
        """The line of a field."""
        return FILE, self.document(one).line_of(path)


def findings(text: str, *, before: str = "", beside: Sequence[Rendered] = (), following: Sequence[Rendered] = ()) -> list[Finding]:
    """Everything that is found in a target."""
    earlier = target(before) if before else None
    after = target(text)
    case = Case(after, earlier, neighbours([after, *beside, *following]), following)
    return inspected(case, kubernetes_schemas(), TextLines(text), ContentRules())


def found(text: str, check: str, *, before: str = "", beside: Sequence[Rendered] = (), following: Sequence[Rendered] = ()) -> list[str]:
    """What one check finds, as `severity line: problem`."""
    told = findings(text, before=before, beside=beside, following=following)
    return [f"{one.severity} {one.line}: {one.problem}" for one in told if one.check == check]

"""Files of a commit to manifests. Used by `sources` and `archive`; what was read once is not read again while it is in force."""

from trimtab.adapters.git.clone import File
from trimtab.adapters.git.collection import Collection, Part, tolerant
from trimtab.adapters.git.manifests import Manifests
from trimtab.adapters.git.rendered import manifests_of
from trimtab.adapters.git.repository import Repository
from trimtab.documents.decode import read_documents
from trimtab.documents.kubernetes import KUSTOMIZATIONS
from trimtab.documents.yaml import Document, read_yaml
from trimtab.errors import DocumentError, InputError


class Reader:
    """Reads commits of one repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._read: dict[File, tuple[Part, ...]] = {}

    async def load(self, commit: str, *, remember: bool = True) -> Manifests:
        """Everything that a commit says. InputError with file and line of each file that cannot be read.

        `remember`: the next commit will be much like this one, so its files are not read again.
        """
        if (rendered := await self._repository.rendered(commit)) is not None:
            return manifests_of(rendered, commit)
        files = await self._repository.manifests(commit)
        wanted = [file for file in files if file.path.rpartition("/")[2] not in KUSTOMIZATIONS]
        contents = await self._repository.clone.read(file.blob for file in wanted if file not in self._read)
        problems: list[str] = []
        collection, parts = Collection(), dict[File, tuple[Part, ...]]()
        for file in wanted:
            try:
                parts[file] = self._read[file] if file in self._read else read_file(file.path, contents[file.blob])
                for part in parts[file]:
                    collection.add(part)
            except DocumentError as error:
                problems.append(str(error))
        if problems:
            raise InputError("\n".join(problems))
        if remember:
            self._read = parts
        collection.warnings += [_unrendered(file.path) for file in files if file not in parts]
        return collection.manifests(commit)


def read_file(path: str, content: bytes) -> tuple[Part, ...]:
    """The documents of a file. DocumentError if it cannot be read; a Canary that is merely wrong is returned as Invalid."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        problem = "not UTF-8 text. Save the file as UTF-8; bytes that are no text go below binaryData, as base64"
        raise DocumentError(problem, file=path, line=content.count(b"\n", 0, error.start) + 1) from None
    try:
        return tuple(read_documents(text, path))
    except DocumentError as error:
        return tuple(_tolerant(document, error) for document in read_yaml(text, path))


def _tolerant(document: Document, first: DocumentError) -> Part:
    if isinstance(document.value, dict) and str(document.value.get("kind")).endswith("List"):
        # A list is read as a whole, so there is nobody else whom the error could be about.
        raise first
    return tolerant(document)


def _unrendered(path: str) -> str:
    return f"{path} is not rendered: the files around it are read as they are written. In a git repository --path DIRECTORY renders one"

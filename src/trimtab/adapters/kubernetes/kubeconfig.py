"""kubeconfig files: read, put together, and looked things up in. Called by `connection`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from trimtab.config.references import items, mapping
from trimtab.documents.yaml import read_yaml
from trimtab.errors import DocumentError, InputError


class Cluster(msgspec.Struct, rename="kebab"):
    """An API server."""

    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: bytes = b""
    proxy_url: str = ""


class Variable(msgspec.Struct):
    """A variable that a program is given."""

    name: str
    value: str = ""


class Exec(msgspec.Struct, rename="camel"):
    """A program that gives out credentials."""

    api_version: str = ""
    command: str = ""
    args: list[str] = []
    env: list[Variable] = []
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class User(msgspec.Struct, rename="kebab"):
    """Who asks."""

    client_certificate: str = ""
    client_certificate_data: bytes = b""
    client_key: str = ""
    client_key_data: bytes = b""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    act_as: str = msgspec.field(default="", name="as")
    act_as_uid: str = msgspec.field(default="", name="as-uid")
    act_as_groups: list[str] = msgspec.field(default_factory=list, name="as-groups")
    exec: Exec | None = None
    auth_provider: dict[str, object] | None = None


class Context(msgspec.Struct, rename="kebab"):
    """Which user asks which API server."""

    cluster: str = ""
    user: str = ""
    namespace: str = ""


Part = TypeVar("Part", Cluster, User, Context)


@dataclass(frozen=True, slots=True)
class Entry:
    """One named part of a kubeconfig, and the file it stands in."""

    value: Mapping[str, object]
    file: Path


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """Several files put together: for each name, and for the current context, the first file counts."""

    files: tuple[Path, ...]
    current: str
    contexts: Mapping[str, Entry]
    clusters: Mapping[str, Entry]
    users: Mapping[str, Entry]

    @property
    def where(self) -> str:
        """The files, for messages."""
        return ", ".join(map(str, self.files))


def files_of(environ: Mapping[str, str], explicit: str = "") -> tuple[Path, ...]:
    """The kubeconfig files that exist. InputError where one that was asked for explicitly does not, or no file of KUBECONFIG does."""
    named = [explicit] if explicit else [part for part in environ.get("KUBECONFIG", "").split(":") if part]
    files = [Path(part).expanduser() for part in named] or [Path(environ.get("HOME") or "~").expanduser() / ".kube/config"]
    found = tuple(dict.fromkeys(file for file in files if file.is_file()))
    if named and not found:
        source = "--kubeconfig" if explicit else "KUBECONFIG"
        raise InputError(f"{source} names {', '.join(named)}, where there is no file. Correct it")
    return found


def read_kubeconfig(files: Sequence[Path]) -> Kubeconfig:
    """InputError where a file cannot be read or is no kubeconfig. No text of a file is shown, for it may be a credential."""
    current = ""
    parts: dict[str, dict[str, Entry]] = {"contexts": {}, "clusters": {}, "users": {}}
    for file in files:
        written = read_file(file)
        current = current or str(written.get("current-context") or "")
        for part, found in parts.items():
            for item in items(written.get(part)):
                found.setdefault(str(item.get("name")), Entry(mapping(item.get(part[:-1])), file))
    return Kubeconfig(tuple(files), current, **parts)


def read_file(file: Path) -> Mapping[str, object]:
    """The one document of a file."""
    try:
        documents = read_yaml(file.read_text(), str(file))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}. Correct its permissions, or name another kubeconfig") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is not a kubeconfig: it is not UTF-8 text") from None
    except DocumentError as error:
        place = f"{file}:{error.line}" if error.line else str(file)
        raise InputError(f"{place}: not YAML, or a key is written twice. Correct the kubeconfig there") from None
    if len(documents) > 1 or not all(isinstance(document.value, Mapping) for document in documents):
        raise InputError(f"{file} is not a kubeconfig: it must be one YAML mapping with contexts, clusters and users")
    return mapping(documents[0].value) if documents else {}


def cluster_of(entry: Entry, name: str) -> Cluster:
    """A cluster with paths made absolute. InputError as `converted`."""
    cluster = converted(entry, name, "cluster", Cluster)
    cluster.certificate_authority = absolute(cluster.certificate_authority, entry.file)
    return cluster


def user_of(entry: Entry, name: str) -> User:
    """A user with paths made absolute. InputError as `converted`."""
    user = converted(entry, name, "user", User)
    for attribute in ("client_certificate", "client_key", "token_file"):
        setattr(user, attribute, absolute(getattr(user, attribute), entry.file))
    if user.exec is not None and "/" in user.exec.command:
        user.exec.command = absolute(user.exec.command, entry.file)
    return user


def context_of(entry: Entry, name: str) -> Context:
    """A context. InputError as `converted`."""
    return converted(entry, name, "context", Context)


def converted(entry: Entry, name: str, what: str, kind: type[Part]) -> Part:
    """A part with its type. InputError where a field has another; unknown fields are left alone."""
    try:
        return msgspec.convert(without_nulls(entry.value), kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{entry.file}: {what} {name}: {error}. Correct the kubeconfig there") from None


def without_nulls(value: object) -> object:
    """What is null counts as not written."""
    if isinstance(value, Mapping):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def absolute(path: str, file: Path) -> str:
    """A path that is relative to the file in which it stands."""
    return str(file.absolute().parent / path) if path else ""

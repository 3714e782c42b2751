"""How an API server is reached, and as whom: out of kubeconfig files, or from inside the cluster. Called by `wiring` and the commands."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from trimtab.adapters.kubernetes.credentials import Credentials, Written, basic
from trimtab.adapters.kubernetes.kubeconfig import (
    Cluster,
    Entry,
    Exec,
    Kubeconfig,
    User,
    cluster_of,
    context_of,
    files_of,
    read_kubeconfig,
    user_of,
)
from trimtab.adapters.kubernetes.material import Material
from trimtab.adapters.kubernetes.plugin import VERSIONS, Plugin, Program
from trimtab.adapters.kubernetes.trust import Trust
from trimtab.adapters.proxies import proxy_for
from trimtab.errors import InputError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds token, authority and namespace of its ServiceAccount."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One API server and who asks it. Nothing secret is in its text."""

    server: str
    """`https://HOST:PORT`, without a slash at the end."""
    namespace: str
    """Where what names no namespace is; `default` where nothing says otherwise."""
    whose: str
    """For messages: user, context and file, or the ServiceAccount."""
    trust: Trust = field(repr=False)
    credentials: Credentials = field(repr=False)
    proxy: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Around:
    """What a connection takes from its process. `seconds` is the time since 1970."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    account: Path = ACCOUNT
    seconds: Callable[[], float] = time.time


def connection(kubeconfig: str = "", context: str = "", around: Around | None = None) -> Connection:
    """From `kubeconfig`, else KUBECONFIG, else ~/.kube/config, else from inside the cluster.

    InputError names the file, context and user that must be corrected.
    """
    around = around or Around()
    files = files_of(around.environ, kubeconfig)
    if files:
        return from_kubeconfig(read_kubeconfig(files), context, around)
    if around.environ.get("KUBERNETES_SERVICE_HOST") and not context:
        return in_cluster(around)
    raise InputError(
        "there is no kubeconfig: set KUBECONFIG, or write ~/.kube/config. (Not inside a cluster: KUBERNETES_SERVICE_HOST is not set)"
    )


def in_cluster(around: Around) -> Connection:
    """As the ServiceAccount of this pod. InputError where its files are not there."""
    host, port = around.environ["KUBERNETES_SERVICE_HOST"], around.environ.get("KUBERNETES_SERVICE_PORT") or "443"
    account, whose = around.account, "the ServiceAccount of this pod"
    token = Material(f"{whose}", path=account / "token", seconds=around.seconds)
    authority = Material(f"{whose}", path=account / "ca.crt").read()
    token.read()
    try:
        namespace = (account / "namespace").read_text().strip()
    except (OSError, UnicodeDecodeError):
        namespace = ""
    server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    return Connection(
        server, namespace or "default", whose, Trust(whose, authority), Written(token=token), proxy_for(server, around.environ)
    )


def from_kubeconfig(found: Kubeconfig, name: str, around: Around) -> Connection:
    """As a context says, by default the current one."""
    name = name or found.current
    if not name:
        raise InputError(
            f"{found.where} has no current-context. Set it with `kubectl config use-context`, or say --context; {known(found.contexts)}"
        )
    entry = looked_up(found, found.contexts, name, "context")
    context = context_of(entry, name)
    cluster = cluster_of(looked_up(found, found.clusters, context.cluster, f"cluster of context {name}"), context.cluster)
    whose = f"user {context.user or '(none)'} of context {name} in {entry.file}"
    user = User()
    if context.user:
        user = user_of(looked_up(found, found.users, context.user, f"user of context {name}"), context.user)
    place = f"cluster {context.cluster} of context {name} in {entry.file}"
    if cluster.certificate_authority and not cluster.certificate_authority_data:
        cluster.certificate_authority_data = Material(f"{place}: certificate-authority", path=Path(cluster.certificate_authority)).read()
    server = address(cluster.server, f"{place}: server", ("https", "http"))
    proxy = address(cluster.proxy_url, f"{place}: proxy-url", ("http", "https")) if cluster.proxy_url else proxy_for(server, around.environ)
    return Connection(
        server, context.namespace or "default", whose, trusted(cluster, place), credentials(user, cluster, whose, around), proxy
    )


def looked_up(found: Kubeconfig, among: Mapping[str, Entry], name: str, what: str) -> Entry:
    """A part by its name. InputError names those that there are."""
    if name not in among:
        raise InputError(f"{found.where} has no {what} {name!r}; {known(among)}. Correct the name")
    return among[name]


def known(among: Mapping[str, Entry]) -> str:
    """The names that there are."""
    return f"there is {', '.join(sorted(among))}" if among else "there is none"


def address(written: str, what: str, schemes: tuple[str, ...]) -> str:
    """An address without its last slash. InputError where it is none; what may be a password is not shown."""
    try:
        parts = urlsplit(written if "://" in written else f"https://{written}")
        good = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or not written:
        raise InputError(f"{what} must be an address such as https://HOST:PORT ({' or '.join(schemes)}). Correct it")
    return (written if "://" in written else f"https://{written}").rstrip("/")


def trusted(cluster: Cluster, place: str) -> Trust:
    """Whom to believe."""
    authority = cluster.certificate_authority_data
    if authority and cluster.insecure_skip_tls_verify:
        raise InputError(f"{place}: insecure-skip-tls-verify goes with no certificate-authority. Remove one of them")
    trust = Trust(place, authority, not cluster.insecure_skip_tls_verify, cluster.tls_server_name)
    trust.context()
    return trust


def credentials(user: User, cluster: Cluster, whose: str, around: Around) -> Credentials:
    """Who asks: tokens and passwords before a program, as in kubectl."""
    if user.auth_provider is not None:
        raise InputError(f"{whose}: auth-provider is no longer supported by Kubernetes. Use exec with the plugin of your provider")
    headers = impersonated(user)
    token = material(user.token.encode(), user.token_file, f"{whose}: token", around)
    if token is None and user.username:
        headers = (*basic(user.username, user.password), *headers)
    elif token is None and user.exec is not None:
        return Plugin(program(user.exec, cluster, whose, around), headers, around.seconds)
    certificate = material(
        user.client_certificate_data,
        "" if user.client_certificate_data else user.client_certificate,
        f"{whose}: client-certificate",
        around,
    )
    key = material(user.client_key_data, "" if user.client_key_data else user.client_key, f"{whose}: client-key", around)
    if (certificate is None) != (key is None):
        raise InputError(f"{whose}: client-certificate and client-key go together, but only one of them is there. Add the other")
    return Written(headers, token, certificate, key)


def material(content: bytes, path: str, what: str, around: Around) -> Material | None:
    """What is given as such or in a file, which then counts; it is read once to see that it is there."""
    if not path:
        return Material(what, content) if content else None
    made = Material(what, content, Path(path), around.seconds)
    made.read()
    return made


def impersonated(user: User) -> tuple[tuple[str, str], ...]:
    """The headers for acting as somebody else."""
    named = (("Impersonate-User", user.act_as), ("Impersonate-Uid", user.act_as_uid))
    return (*(pair for pair in named if pair[1]), *(("Impersonate-Group", group) for group in user.act_as_groups))


def program(written: Exec, cluster: Cluster, whose: str, around: Around) -> Program:
    """The program that gives out credentials, with all that it is told. InputError where it cannot work here."""
    if written.api_version not in VERSIONS:
        raise InputError(f"{whose}: apiVersion of exec must be {' or '.join(VERSIONS)}. Correct it, or update the plugin")
    if not written.command:
        raise InputError(f"{whose}: exec names no command. Add it")
    if written.interactive_mode == "Always":
        raise InputError(
            f"{whose}: exec {written.command} wants a terminal (interactiveMode: Always), but Trimtab asks nobody. Use another user"
        )
    spec: dict[str, object] = {"interactive": False}
    if written.provide_cluster_info:
        spec["cluster"] = told(cluster)
    info = msgspec.json.encode({"apiVersion": written.api_version, "kind": "ExecCredential", "spec": spec}).decode()
    added = {variable.name: variable.value for variable in written.env}
    return Program(
        whose,
        written.api_version,
        written.command,
        tuple(written.args),
        {**around.environ, **added, "KUBERNETES_EXEC_INFO": info},
        tuple(added.values()),
        written.install_hint,
    )


def told(cluster: Cluster) -> dict[str, object]:
    """What a program is told of the cluster, if it wants to know."""
    fields: dict[str, object] = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": cluster.certificate_authority_data,
        "proxy-url": cluster.proxy_url,
    }
    return {name: value for name, value in fields.items() if value}

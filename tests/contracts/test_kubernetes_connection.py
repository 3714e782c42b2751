"""How an API server is found and who asks it: real kubeconfig files, real programs that give out credentials, real TLS."""

import asyncio
import json
import stat
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from trimtab.adapters.kubernetes.client import connected
from trimtab.adapters.kubernetes.connection import Around, Connection, connection
from trimtab.adapters.kubernetes.kinds import CONFIG_MAP
from trimtab.adapters.proxies import proxy_for
from trimtab.errors import Denied, InputError

from .kubernetes_api import certificates, gives, made, serving, serving_tls, status

Raw = dict[str, Any]
V1 = "client.authentication.k8s.io/v1"
SECRET = "s3cr3t-0123456789-abcdefghijkl"


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def written(file: Path, user: Raw | None = None, cluster: Raw | None = None, **more: Any) -> Path:
    """A kubeconfig with context `work`: user `ann`, cluster `prod`, namespace `shop`."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "work",
        "contexts": [{"name": "work", "context": {"cluster": "prod", "user": "ann", "namespace": "shop"}}],
        "clusters": [{"name": "prod", "cluster": {"server": "https://api.test:6443/", **(cluster or {})}}],
        "users": [{"name": "ann", "user": user or {}}],
        **more,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(document))
    return file


def alone(folder: Path, seconds: Callable[[], float] | None = None, **environ: str) -> Around:
    """Nothing of this machine's: no kubeconfig, no cluster."""
    return Around({"HOME": str(folder), "PATH": "/usr/bin:/bin", **environ}, folder / "account", seconds or Hand())


async def authorization(found: Connection) -> str:
    """What is sent as Authorization."""
    return dict((await found.credentials.current()).headers).get("Authorization", "")


def program(folder: Path, body: str) -> str:
    """A small program; `body` is Python."""
    file = folder / "give-token"
    file.write_text(f"#!{sys.executable}\nimport json, os, pathlib, sys, time\n{body}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


def giving(folder: Path, more: str = "") -> str:
    """A program that gives out `token-1`, `token-2`, ... and notes what it was told."""
    return program(
        folder,
        f"""
here = pathlib.Path({str(folder)!r})
runs = here / "runs"
count = int(runs.read_text()) + 1 if runs.exists() else 1
runs.write_text(str(count))
(here / "told").write_text(json.dumps([sys.argv[1:], os.environ["KUBERNETES_EXEC_INFO"], os.environ.get("EXTRA")]))
status = {{"token": "token-" + str(count)}}
{more}
print(json.dumps({{"apiVersion": "{V1}", "kind": "ExecCredential", "status": status}}))
""",
    )


def asks(command: str, **more: Any) -> Raw:
    """A user whose credentials a program gives out."""
    return {"exec": {"apiVersion": V1, "command": command, **more}}


def test_the_context_says_server_namespace_and_user(tmp_path: Path) -> None:
    found = connection(str(written(tmp_path / "config")), around=alone(tmp_path))
    assert (found.server, found.namespace) == ("https://api.test:6443", "shop")
    assert found.whose == f"user ann of context work in {tmp_path / 'config'}"


async def test_of_several_files_the_first_that_says_something_counts(tmp_path: Path) -> None:
    first = written(tmp_path / "first", {"token": "of-the-first"}, contexts=None, clusters=[])
    first.write_text(first.read_text().replace("current-context: work\n", ""))
    second = written(tmp_path / "second", {"token": "of-the-second"}, {"server": "https://second.test"})
    around = alone(tmp_path, KUBECONFIG=f"{tmp_path / 'missing'}:{first}:{second}")
    found = connection(around=around)
    assert found.server == "https://second.test"
    assert await authorization(found) == "Bearer of-the-first"


def test_context_and_home_are_heeded(tmp_path: Path) -> None:
    other = [{"name": "other", "context": {"cluster": "prod", "user": "ann"}}, {"name": "work", "context": {"cluster": "x", "user": "y"}}]
    written(tmp_path / ".kube/config", contexts=other)
    assert connection(context="other", around=alone(tmp_path)).namespace == "default"


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"current-context": ""}, ["no current-context", "use-context", "there is work"]),
        ({"current-context": "wrok"}, ["no context 'wrok'", "there is work"]),
        ({"users": []}, ["no user of context work 'ann'", "there is none"]),
        ({"clusters": [{"name": "test"}]}, ["no cluster of context work 'prod'", "there is test"]),
        ({"clusters": [{"name": "prod", "cluster": {}}]}, ["cluster prod of context work", "server", "https://HOST:PORT"]),
        ({"clusters": [{"name": "prod", "cluster": {"server": "ftp://x"}}]}, ["server", "https://HOST:PORT"]),
        ({"clusters": [{"name": "prod", "cluster": {"server": 5}}]}, ["cluster prod", "$.server"]),
        (
            {"clusters": [{"name": "prod", "cluster": {"server": "https://a", "certificate-authority": "no.pem"}}]},
            ["no.pem", "cannot be read"],
        ),
        ({"clusters": [{"name": "prod", "cluster": {"server": "https://a", "certificate-authority-data": "AAAA"}}]}, ["not a certificate"]),
        ({"clusters": [{"name": "prod", "cluster": {"server": "https://a", "proxy-url": "socks5://p:1"}}]}, ["proxy-url"]),
        ({"users": [{"name": "ann", "user": {"tokenFile": "gone"}}]}, ["user ann of context work", "gone", "cannot be read"]),
        ({"users": [{"name": "ann", "user": {"client-key-data": "AAAA"}}]}, ["user ann", "client-certificate and client-key go together"]),
        ({"users": [{"name": "ann", "user": {"auth-provider": {"name": "gcp"}}}]}, ["auth-provider", "exec"]),
        ({"users": [{"name": "ann", "user": {"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1alpha1"}}}]}, [V1]),
        ({"users": [{"name": "ann", "user": {"exec": {"apiVersion": V1}}}]}, ["exec names no command"]),
        ({"users": [{"name": "ann", "user": asks("x", interactiveMode="Always")}]}, ["terminal"]),
    ],
)
def test_each_fault_of_a_kubeconfig_names_file_and_place(tmp_path: Path, change: Raw, parts: list[str]) -> None:
    file = written(tmp_path / "config", **change)
    with pytest.raises(InputError) as raised:
        connection(str(file), around=alone(tmp_path))
    assert str(tmp_path) in str(raised.value)
    assert [part for part in parts if part not in str(raised.value)] == []


@pytest.mark.parametrize("text", [f"users: [{{token: {SECRET}", f"token: {SECRET}\ntoken: {SECRET}", f"- {SECRET}", f'a: "\\q{SECRET}"'])
def test_a_file_that_is_no_kubeconfig_is_told_without_its_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(InputError, match=str(tmp_path / "config")) as raised:
        connection(str(tmp_path / "config"), around=alone(tmp_path))
    assert SECRET not in str(raised.value)


def test_without_any_kubeconfig_it_is_said_where_one_may_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="KUBECONFIG"):
        connection(around=alone(tmp_path))
    with pytest.raises(InputError, match="KUBECONFIG names /nowhere/config"):
        connection(around=alone(tmp_path, KUBECONFIG="/nowhere/config"))


@pytest.mark.parametrize(
    ("user", "sent"),
    [
        ({"token": SECRET}, f"Bearer {SECRET}"),
        ({"username": "ann", "password": SECRET}, "Basic " + b64encode(f"ann:{SECRET}".encode()).decode()),
        ({"tokenFile": "token"}, "Bearer in-the-file"),
        ({"tokenFile": "token", "token": SECRET}, "Bearer in-the-file"),
        ({}, ""),
    ],
)
async def test_credentials_are_sent_and_never_shown(tmp_path: Path, user: Raw, sent: str) -> None:
    (tmp_path / "token").write_text("in-the-file\n")
    found = connection(str(written(tmp_path / "config", user)), around=alone(tmp_path))
    assert await authorization(found) == sent
    assert SECRET not in repr((found, found.credentials, await found.credentials.current()))
    assert "in-the-file" not in repr((found, found.credentials))


async def test_acting_as_somebody_else_is_said_to_the_server(tmp_path: Path) -> None:
    user = {"token": "x", "as": "bob", "as-groups": ["dev", "ops"], "as-uid": "7"}
    found = connection(str(written(tmp_path / "config", user)), around=alone(tmp_path))
    assert (await found.credentials.current()).headers[1:] == (
        ("Impersonate-User", "bob"), ("Impersonate-Uid", "7"), ("Impersonate-Group", "dev"), ("Impersonate-Group", "ops"),
    )  # fmt: skip


async def test_a_token_file_is_looked_at_once_a_minute_and_after_a_401(tmp_path: Path) -> None:
    token, clock = tmp_path / "token", Hand()
    token.write_text("one")
    found = connection(str(written(tmp_path / "config", {"tokenFile": "token"})), around=alone(tmp_path, clock))
    token.write_text("two")
    clock.now += 59
    assert await authorization(found) == "Bearer one"
    clock.now += 2
    assert await authorization(found) == "Bearer two"
    token.write_text("three")
    found.credentials.forget()
    assert await authorization(found) == "Bearer three"
    clock.now += 61
    token.unlink()
    assert await authorization(found) == "Bearer three"


async def test_inside_a_cluster_the_service_account_asks(tmp_path: Path) -> None:
    account, clock = tmp_path / "account", Hand()
    account.mkdir()
    authority = certificates(tmp_path)
    for name, text in (("token", "of-the-pod"), ("namespace", "trimtab-system"), ("ca.crt", (authority / "ca.pem").read_text())):
        (account / name).write_text(text)
    found = connection(around=alone(tmp_path, clock, KUBERNETES_SERVICE_HOST="fd00::1", KUBERNETES_SERVICE_PORT="443"))
    assert (found.server, found.namespace, await authorization(found)) == ("https://[fd00::1]:443", "trimtab-system", "Bearer of-the-pod")
    (account / "token").write_text("rotated")
    clock.now += 61
    assert await authorization(found) == "Bearer rotated"
    (account / "token").unlink()
    with pytest.raises(InputError, match=r"the ServiceAccount of this pod .*token"):
        connection(around=alone(tmp_path, KUBERNETES_SERVICE_HOST="10.0.0.1"))


async def test_a_program_is_run_with_its_arguments_and_kept_until_its_credentials_end(tmp_path: Path) -> None:
    clock = Hand()
    command = giving(tmp_path, 'status["expirationTimestamp"] = "1970-01-12T13:56:40Z"')  # 1000 seconds later
    user = asks(f"./{Path(command).name}", args=["get", "token"], env=[{"name": "EXTRA", "value": "more"}], provideClusterInfo=True)
    found = connection(str(written(tmp_path / "config", user)), around=alone(tmp_path, clock))
    assert [await authorization(found) for _ in range(2)] == ["Bearer token-1"] * 2
    arguments, info, extra = json.loads((tmp_path / "told").read_text())
    assert (arguments, extra) == (["get", "token"], "more")
    assert json.loads(info) == {
        "apiVersion": V1, "kind": "ExecCredential", "spec": {"interactive": False, "cluster": {"server": "https://api.test:6443/"}},
    }  # fmt: skip
    clock.now += 1000
    assert await authorization(found) == "Bearer token-2"
    assert "token-2" not in repr(found.credentials)


async def test_a_program_is_run_once_for_all_who_wait_and_anew_after_a_401(tmp_path: Path) -> None:
    async with serving() as api:
        user, clock = asks(giving(tmp_path)), Hand()
        found = connection(str(written(tmp_path / "config", user, {"server": api.server})), around=alone(tmp_path, clock))
        api.says(gives(made("a", "1")))
        async with connected(found) as client:
            await asyncio.gather(*(client.get(CONFIG_MAP, "shop", "a") for _ in range(5)))
            assert {seen.headers["Authorization"] for seen in api.seen} == {"Bearer token-1"}
            api.script.clear()
            api.says(status(401, "Unauthorized"), gives(made("a", "1")))
            await client.get(CONFIG_MAP, "shop", "a")
            assert api.seen[-1].headers["Authorization"] == "Bearer token-2"


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (f"print('log in first, {SECRET}', file=sys.stderr); sys.exit(3)", ["it ended with 3: log in first", "log in again"]),
        (f"print('{SECRET}')", ["not an ExecCredential"]),
        (f"print(json.dumps(dict(apiVersion='{V1}beta1', kind='ExecCredential', status=dict(token='{SECRET}'))))", [f"says {V1}"]),
        (f"print(json.dumps(dict(apiVersion='{V1}', kind='ExecCredential', status=dict())))", ["neither a token nor a certificate"]),
        (
            f"print(json.dumps(dict(apiVersion='{V1}', kind='ExecCredential', status=dict(clientCertificateData='{SECRET}'))))",
            ["without a key"],
        ),
    ],
)
async def test_what_a_program_does_wrong_is_told_without_what_it_gave(tmp_path: Path, body: str, parts: list[str]) -> None:
    user = asks(program(tmp_path, body), env=[{"name": "PASSWORD", "value": SECRET}])
    found = connection(str(written(tmp_path / "config", user)), around=alone(tmp_path))
    with pytest.raises(Denied) as raised:
        await found.credentials.current()
    for part in (*parts, "user ann of context work", str(tmp_path / "give-token")):
        assert part in str(raised.value)
    assert SECRET not in str(raised.value)


async def test_a_program_that_is_not_there_is_told_with_its_install_hint(tmp_path: Path) -> None:
    user = asks("no-such-plugin-of-anybody", installHint="Install it\nwith care")
    found = connection(str(written(tmp_path / "config", user)), around=alone(tmp_path))
    with pytest.raises(InputError, match=r"no-such-plugin-of-anybody cannot be run.* Install it with care"):
        await found.credentials.current()


async def test_a_client_certificate_is_shown_and_a_new_one_is_taken_from_its_file(tmp_path: Path) -> None:
    authority, clock = certificates(tmp_path), Hand()
    async with serving(serving_tls(authority)) as api:

        async def who(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            subject = request.transport.get_extra_info("peercert")["subject"]
            return web.json_response(made(dict(part[0] for part in subject)["commonName"], "1"))

        api.says(who)
        (tmp_path / "now.pem").write_bytes((authority / "ann.pem").read_bytes())
        (tmp_path / "now.key").write_bytes((authority / "ann.key").read_bytes())
        user = {"client-certificate": "now.pem", "client-key": "now.key"}
        cluster = {"server": api.server, "certificate-authority": "ca.pem", "tls-server-name": "api.test"}
        async with connected(connection(str(written(tmp_path / "config", user, cluster)), around=alone(tmp_path, clock))) as client:
            assert (await client.get(CONFIG_MAP, "shop", "a") or {})["metadata"]["name"] == "ann"  # type: ignore[index]
            (tmp_path / "now.pem").write_bytes((authority / "bob.pem").read_bytes())
            (tmp_path / "now.key").write_bytes((authority / "bob.key").read_bytes())
            clock.now += 61
            assert (await client.get(CONFIG_MAP, "shop", "a") or {})["metadata"]["name"] == "bob"  # type: ignore[index]


async def test_certificates_may_stand_in_the_kubeconfig_or_come_from_a_program(tmp_path: Path) -> None:
    authority = certificates(tmp_path)
    pair = [(authority / name).read_text() for name in ("ann.pem", "ann.key")]
    data = {"client-certificate-data": b64encode(pair[0].encode()).decode(), "client-key-data": b64encode(pair[1].encode()).decode()}
    more = f"status = dict(clientCertificateData={pair[0]!r}, clientKeyData={pair[1]!r})"
    async with serving(serving_tls(authority)) as api:

        async def known(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            return web.json_response(made("a", str(bool(request.transport.get_extra_info("peercert")))))

        api.says(known)
        ca = b64encode((authority / "ca.pem").read_bytes()).decode()
        cluster = {"server": api.server, "certificate-authority-data": ca, "tls-server-name": "api.test"}
        for user in (data, asks(giving(tmp_path, more))):
            async with connected(connection(str(written(tmp_path / "config", user, cluster)), around=alone(tmp_path))) as client:
                assert await client.get(CONFIG_MAP, "shop", "a") == made("a", "True")


async def test_a_pair_that_does_not_fit_is_the_kubeconfigs_fault(tmp_path: Path) -> None:
    authority = certificates(tmp_path)
    user = {"client-certificate": "ann.pem", "client-key": "bob.key"}
    found = connection(str(written(authority / "config", user)), around=alone(tmp_path))
    async with connected(found) as client:
        with pytest.raises(InputError, match="client-certificate and client-key"):
            await client.get(CONFIG_MAP, "shop", "a")


async def test_a_proxy_is_asked_where_the_kubeconfig_names_one(tmp_path: Path) -> None:
    async with serving() as proxy:
        proxy.says(gives(made("a", "1")))
        cluster = {"server": "http://api.test:8080", "proxy-url": proxy.server}
        async with connected(connection(str(written(tmp_path / "config", cluster=cluster)), around=alone(tmp_path))) as client:
            assert await client.get(CONFIG_MAP, "shop", "a") is not None
        assert proxy.seen[0].headers["Host"] == "api.test:8080"


async def test_a_tunnel_through_a_proxy_ends_at_the_server_that_the_certificate_names(tmp_path: Path) -> None:
    authority, wanted = certificates(tmp_path), list[bytes]()
    async with serving(serving_tls(authority)) as api:
        api.says(gives(made("a", "1")))

        async def pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while piece := await source.read(65536):
                target.write(piece)
            target.close()

        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            wanted.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[1])
            there, back = await asyncio.open_connection("127.0.0.1", int(api.server.rpartition(":")[2]))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(pipe(reader, back), pipe(there, writer), return_exceptions=True)

        proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        cluster = {
            "server": "https://10.1.2.3:6443",
            "proxy-url": address,
            "certificate-authority": "ca.pem",
            "tls-server-name": "api.test",
        }
        async with proxy, connected(connection(str(written(tmp_path / "config", cluster=cluster)), around=alone(tmp_path))) as client:
            assert await client.get(CONFIG_MAP, "shop", "a") is not None
        assert wanted == [b"10.1.2.3:6443"]


@pytest.mark.parametrize(
    ("server", "spared", "asked"),
    [
        ("https://10.0.0.1:443", "", True),
        ("https://10.0.0.1:443", "10.0.0.0/8", False),
        ("https://10.0.0.1:443", "192.168.0.0/16,10.0.0.1", False),
        ("https://api.test", "test", False),
        ("https://api.test", ".test", False),
        ("https://api.test", "*.test", False),
        ("https://api.test", "pi.test", True),
        ("https://api.test:6443", "api.test:443", True),
        ("https://api.test:6443", "api.test:6443", False),
        ("https://[fd00::1]:443", "fd00::/8", False),
        ("https://127.0.0.1:6443", "", False),
        ("https://localhost:6443", "", False),
        ("http://api.test", "", False),
    ],
)
def test_the_proxy_of_the_environment_is_read_as_kubectl_reads_it(server: str, spared: str, asked: bool) -> None:
    environ = {"HTTPS_PROXY": "proxy.test:3128", "NO_PROXY": spared}
    assert proxy_for(server, environ) == ("http://proxy.test:3128" if asked else "")

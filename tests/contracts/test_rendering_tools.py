"""What a rendering tool gets and what it may do: a clean environment, bounded time and output. With scripts in the place of tools."""

import asyncio
from pathlib import Path

import pytest

from contracts.test_pipeline_project import written
from trimtab.adapters.rendering.request import LARGEST, Request
from trimtab.adapters.rendering.tool import Tools
from trimtab.errors import DocumentError, InputError, Unavailable
from trimtab.model.rendered import Rendered
from trimtab.wiring.pipeline import Rules, render

HOSTILE = {"GITHUB_TOKEN": "hush", "KUBECONFIG": "/x", "HELM_PLUGINS": "/x", "KUSTOMIZE_PLUGIN_HOME": "/x", "KUBERNETES_SERVICE_HOST": "x"}


def tool(folder: Path, script: str, name: str = "kustomize") -> Tools:
    """A folder with a program of that name, and an environment as a CI job has it."""
    path = written(folder / "bin", {name: f"#!/bin/sh\n{script}\n"}) / name
    path.chmod(0o755)
    return Tools(str(path.parent), {**HOSTILE, "PATH": "/usr/bin:/bin", "HTTPS_PROXY": "http://127.0.0.1:9"})


async def overlay(folder: Path, tools: Tools, *, network: bool = False, deadline: float = 20.0) -> Rendered:
    root = written(folder / "repo", {"k/kustomization.yaml": "resources:\n- https://127.0.0.1:1/x\n" if network else "namePrefix: x-\n"})
    return await render(Request(root, "x", "k"), "kustomize", Rules(network=network, deadline=deadline, tools=tools))


PRINTS_ENVIRONMENT = """
[ "$1" = version ] && echo v5.0.0 && exit
export -p > "$0.environment"
"""


@pytest.mark.parametrize("network", [False, True])
async def test_nothing_of_the_users_environment_reaches_a_tool_but_what_fetching_needs(network: bool, tmp_path: Path) -> None:
    tools = tool(tmp_path, PRINTS_ENVIRONMENT)
    found = await overlay(tmp_path, tools, network=network)
    assert (found.tool, found.objects) == ("kustomize v5.0.0", ())
    text = (tmp_path / "bin/kustomize.environment").read_text()
    assert "hush" not in text and "HELM_PLUGINS" not in text and "KUSTOMIZE_PLUGIN_HOME" not in text and "SERVICE_HOST" not in text
    assert "KUBECONFIG='/dev/null'" in text
    assert ("PATH='/usr/bin:/bin'" in text) is network
    assert ("127.0.0.1:9'" in text, "127.0.0.1:1'" in text) == (network, not network)
    assert str(Path.home()) not in [line.partition("HOME=")[2].strip("'") for line in text.splitlines()]


async def test_a_tool_that_prints_without_end_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kustomize wrote more than 64 MiB and was stopped"):
        await overlay(
            tmp_path, tool(tmp_path, '[ "$1" = version ] && exit\nwhile :; do echo "$0 $0 $0 $0 $0 $0 $0 $0 $0 $0 $0 $0 $0 $0 $0 $0"; done')
        )


def runs(process: str) -> bool:
    try:
        return Path("/proc", process, "stat").read_text().split()[2] != "Z"
    except OSError:
        return False


async def test_a_tool_and_what_it_started_are_stopped_at_the_deadline(tmp_path: Path) -> None:
    script = '[ "$1" = version ] && exit\n/bin/sleep 1000 &\necho $! > "$0.child"\nwait'
    with pytest.raises(Unavailable, match=r"kustomize did not finish within 1 s and was stopped"):
        await overlay(tmp_path, tool(tmp_path, script), deadline=1.0)
    child = (tmp_path / "bin/kustomize.child").read_text().strip()
    async with asyncio.timeout(10):
        while runs(child):
            await asyncio.sleep(0.01)


async def test_what_a_tool_says_cannot_play_tricks_on_a_terminal(tmp_path: Path) -> None:
    script = '[ "$1" = version ] && exit\nprintf "Error: \\\\033[2J\\\\007wiped\\\\n" >&2\nexit 1'
    with pytest.raises(DocumentError) as refused:
        await overlay(tmp_path, tool(tmp_path, script))
    assert str(refused.value) == "k/kustomization.yaml: ?[2J?wiped"


async def test_output_that_is_no_yaml_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rendered x to what is no YAML"):
        await overlay(tmp_path, tool(tmp_path, '[ "$1" = version ] && exit\necho "a: ["'))


async def test_a_file_that_nobody_could_want_is_not_read(tmp_path: Path) -> None:
    root = written(tmp_path, {"a.yaml": "a: b\n"})
    with (root / "a.yaml").open("r+b") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(InputError, match=r"a\.yaml has more than 64 MiB"):
        await render(Request(root, "x", ""), "plain")

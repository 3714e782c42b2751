"""`trimtab diff` between commits and recorded revisions: typed, by object, and without a value of a Secret."""

import asyncio
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from trimtab.adapters.clock import SystemClock
from trimtab.adapters.git.process import Git
from trimtab.adapters.git.repository import Watching, open_repository
from trimtab.adapters.git.sources import GitSources
from trimtab.adapters.local.folder import digest_key, open_folder
from trimtab.adapters.local.store import Store
from trimtab.documents.translate import translate
from trimtab.faces.cli.content import diff_command
from trimtab.model.decision import Decision
from trimtab.model.names import CanaryKey
from trimtab.model.revision import Revision
from trimtab.model.rollout import CanaryState, Rollout, RolloutKind
from trimtab.testing.policies import BASE
from trimtab.testing.world import START

KEY = CanaryKey("default", "app")
MANIFESTS = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings}}
data: {{app.yaml: "pool: {pool}"}}
---
apiVersion: v1
kind: Secret
metadata: {{name: token}}
stringData: {{token: {token}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app}}
spec:
  selector: {{matchLabels: {{app: app}}}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec:
      containers:
      - {{name: main, image: "app:{image}", envFrom: [{{configMapRef: {{name: settings}}}}, {{secretRef: {{name: token}}}}]}}
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {{name: app}}
spec:
  targetRef: {{apiVersion: apps/v1, kind: Deployment, name: app}}
  service: {{port: 80}}
  analysis: {{interval: 10s, threshold: 2, iterations: 2}}
"""


def git(folder: Path, *words: str) -> None:
    author = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    subprocess.run(["git", *author, *words], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, **values: str) -> None:
    text = MANIFESTS.format(**{"pool": "10", "token": "first-secret", "image": "1", **values})
    (folder / "deploy").mkdir(parents=True, exist_ok=True)
    (folder / "deploy/app.yaml").write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "change")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    commit(folder, pool="20", token="second-secret", image="2")
    return folder


def diff(repository: Path, *words: str) -> Result:
    state = str(repository.parent / "state")
    return CliRunner().invoke(diff_command, [*words, "--repo", str(repository), "--state", state], catch_exceptions=True)


async def up_once(repository: Path) -> Revision:
    """What a short `trimtab up` leaves behind: a clone with a pin, and a record."""
    folder = open_folder(repository.parent / "state")
    source = await open_repository(Watching(str(repository), "deploy"), folder.repository, Git())
    sources = GitSources(source, translate, digest_key(folder), SystemClock())
    await sources.start()
    found = await sources.read(KEY)
    assert found.revision is not None
    store, state = Store(folder.database), CanaryState(KEY)
    run = Rollout(1, RolloutKind.INITIALISATION, None, found.revision, BASE, START, found.origin)
    await store.replace(KEY, state, Decision(replace(state, serial=1, rollout=run), (), None))
    await store.close()
    return found.revision


def test_two_commits_are_compared_key_by_key_and_template_field_by_field(repository: Path) -> None:
    done = diff(repository, "HEAD~1", "HEAD", "--path", "deploy")
    assert done.exit_code == 0
    assert "configmap/settings\n  app.yaml: pool: 10 -> 20 (x2)\n" in done.stdout
    assert "deployment/app\n  spec.containers[main].image: app:1 -> app:2\n" in done.stdout
    assert "secret/token\n  token: fingerprint " in done.stdout
    assert "-secret" not in done.output


def test_the_same_commit_twice_says_that_nothing_changed(repository: Path) -> None:
    assert diff(repository, "HEAD", "main").stdout == "nothing changed\n"


def test_json_names_object_key_path_and_factor(repository: Path) -> None:
    told = json.loads(diff(repository, "HEAD~1", "HEAD", "-o", "json").stdout)
    (pool,) = [change for change in told["changes"] if change["object"] == "configmap/settings"]
    assert (pool["key"], pool["path"], pool["old"], pool["new"], pool["factor"]) == ("app.yaml", "pool", "10", "20", 2.0)


def test_a_recorded_revision_is_compared_with_a_commit(repository: Path) -> None:
    revision = asyncio.run(up_once(repository))
    commit(repository, pool="30", token="second-secret", image="2")
    done = diff(repository, revision.id, "HEAD", "--path", "deploy")
    assert done.stdout == "configmap/settings\n  app.yaml: pool: 20 -> 30 (x1.5)\n"


def test_a_name_that_means_nothing_is_invalid_input(repository: Path) -> None:
    problem = diff(repository, "HEAD", "nonsense").exception
    assert "has no commit 'nonsense', and no rollout on record is about a revision of that name" in str(problem)

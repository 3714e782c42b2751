"""Promotion and rollback over what Kustomize and Helm really render, in the founding document's own repositories."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.git_places import PERSON, QUIET, commit, git
from pipeline.programs import linked
from pipeline.trees import FOUNDING, MENDS
from trimtab.promotion.edges import receiving
from trimtab.promotion.evidence import Evidence, Run, Verdict, Window, encode
from trimtab.wiring.repository import repository, workshop_for

pytestmark = pytest.mark.pipeline
AT = datetime(2026, 1, 2, tzinfo=UTC)
RUN = "4711"


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Kustomize inside of kubectl, and Helm."""
    programs = linked(tmp_path_factory.mktemp("bin"), "kubectl", "helm")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "CI_", "TRIMTAB_", "GITLAB_", "GIT_"))}
    return {**plain, **QUIET, **PERSON, "PATH": f"{programs}:{os.environ['PATH']}", "CI_PIPELINE_ID": RUN}


def cloned(folder: Path, files: Mapping[str, str]) -> tuple[Path, Path]:
    """A bare origin, and a clone with these files on main."""
    origin, clone = folder / "origin.git", folder / "clone"
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    git(folder, "clone", "--quiet", str(origin), str(clone))
    git(clone, "checkout", "--quiet", "-B", "main")
    commit(clone, "the beginning", dict(files))
    git(clone, "push", "--quiet", "origin", "main")
    return origin, clone


def founding(folder: Path, name: str) -> tuple[Path, Path]:
    """A tree of the founding document, mended so that it renders, and promoted by push."""
    texts = {path.relative_to(FOUNDING / name).as_posix(): path.read_text() for path in (FOUNDING / name).rglob("*") if path.is_file()}
    for mend in MENDS[name]:
        texts[mend.file] = texts[mend.file].replace(mend.old, mend.new)
    texts["trimtab.yaml"] = pushed(texts["trimtab.yaml"])
    return cloned(folder, texts)


def pushed(text: str) -> str:
    """trimtab.yaml with `by: push` in each target that receives."""
    lines = []
    for line in text.splitlines():
        lines.append(line)
        if line.strip().startswith("from:"):
            lines.append(f"{line[: len(line) - len(line.lstrip())]}promotion: {{by: push}}")
    return "\n".join(lines) + "\n"


def judged(clone: Path, environment: Mapping[str, str], judgement: str = "pass") -> str:
    """Evidence about what the canary is now, in a file."""

    async def work() -> bytes:
        async with workshop_for(await repository(clone, environment), receiving, "", dry=False) as (shop, edge, _):
            head = await shop.head(edge.ref)
            found = await shop.judged(head, edge.app, edge.source)
            return encode(
                Evidence(
                    app=edge.app.name, target=edge.source.name, commit=head, source=found.source, content=found.content, keys=found.keys,
                    window=Window(began=AT, ended=AT), verdict=Verdict(judgement=judgement), run=Run(id=RUN),  # type: ignore[arg-type]
                )
            )  # fmt: skip

    file = clone.parent / "evidence.json"
    file.write_bytes(asyncio.run(work()))
    return str(file)


def trimtab(clone: Path, environment: Mapping[str, str], *words: str) -> dict[str, object]:
    """A command that ends well; what it says as JSON."""
    command = [sys.executable, "-m", "trimtab", *words, "-o", "json"]
    done = subprocess.run(command, cwd=clone, env=dict(environment), check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr + done.stdout
    found: dict[str, object] = json.loads(done.stdout)
    return found


def refused(clone: Path, environment: Mapping[str, str], *words: str, ends: int = 2) -> str:
    """A command that does not do what it is asked; what it says."""
    command = [sys.executable, "-m", "trimtab", *words]
    done = subprocess.run(command, cwd=clone, env=dict(environment), check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == ends, done.stderr + done.stdout
    return done.stderr


OVERLAYS = [("strategy-1", "apps/myapp/overlays/{}/configmap-patch.yaml"), ("strategy-4", "k8s/overlays/production-{}/configmap.yaml")]


@pytest.mark.parametrize(("name", "patch"), OVERLAYS)
def test_the_founding_overlays_are_promoted_and_rolled_back(tmp_path: Path, environment: dict[str, str], name: str, patch: str) -> None:
    origin, clone = founding(tmp_path, name)
    canary, stable = patch.format("canary"), patch.format("stable")
    before = git(origin, "show", f"main:{stable}")
    back = trimtab(clone, environment, "rollback", "--evidence", judged(clone, environment, "fail"), "--dry-run")
    assert back["outcome"] == "planned" and f"+++ b/{canary}" in str(back["patch"])
    done = trimtab(clone, environment, "promote", "--evidence", judged(clone, environment))
    assert done["outcome"] == "promoted"
    texts = {change["text"] for change in done["changes"]}  # type: ignore[attr-defined]
    pool, new_ui, level = "database.pool_size: 10 -> 20 (x2)", "feature_flags.new_ui: false -> true", "log_level: info -> debug"
    assert texts == {f"config.yaml: {text}" for text in (pool, new_ui, level)}
    assert git(origin, "show", f"main:{stable}") == git(origin, "show", f"main:{canary}") != before
    assert git(origin, "diff", "--name-only", "main^", "main") == stable
    assert trimtab(clone, environment, "promote")["outcome"] == "nothing"


def test_the_founding_chart_is_promoted_with_its_comments_and_without_its_replicas(tmp_path: Path, environment: dict[str, str]) -> None:
    origin, clone = founding(tmp_path, "strategy-3")
    own = "helm-charts/myapp/values-production.yaml"
    before = git(origin, "show", f"main:{own}")
    done = trimtab(clone, environment, "promote", "--evidence", judged(clone, environment))
    assert done["outcome"] == "promoted", done
    after = git(origin, "show", f"main:{own}")
    comments = [[line.partition("#")[2] for line in text.splitlines() if "#" in line] for text in (before, after)]
    assert after != before and comments[0] == comments[1]
    assert "replicaCount: 10" in after and git(origin, "diff", "--name-only", "main^", "main") == own
    assert trimtab(clone, environment, "promote")["outcome"] == "nothing"
    assert trimtab(clone, environment, "history", "--in", "repo", "--verify")["verified"] is True


GENERATED = {
    "trimtab.yaml": """apiVersion: trimtab.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  apps:
  - name: shop
    targets:
    - {name: canary, path: overlays/canary}
    - {name: stable, path: overlays/stable, from: canary, promotion: {by: push}}
""",
    "base/kustomization.yaml": "resources: [app.yaml]\n",
    "base/app.yaml": """apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - name: shop
        image: shop
        envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: login}}]
        volumeMounts: [{name: files, mountPath: /etc/shop}]
      volumes: [{name: files, configMap: {name: files}}]
""",
    "overlays/{}/kustomization.yaml": """resources: [../../base]
namePrefix: {}-
configMapGenerator:
- name: settings
  literals:
  - LEVEL=info   # how much is logged
  - POOL=10
- name: files
  files: [shop.ini]
secretGenerator:
- name: login
  literals: [password=hunter2]
replicas: [{{name: shop, count: 2}}]
""",
    "overlays/{}/shop.ini": "[shop]\r\npool = 10\r\n",
}


def generated(folder: Path) -> tuple[Path, Path]:
    """Overlays with generators, whose hashes change names in the Deployment too."""
    files = {}
    for name, text in GENERATED.items():
        for target in ("canary", "stable") if "{}" in name else ("",):
            files[name.format(target)] = text.format(target) if "kustomization" in name and target else text
    return cloned(folder, files)


def edit(clone: Path, file: str, *pairs: tuple[str, str]) -> None:
    """Somebody changes a file on main."""
    git(clone, "fetch", "--quiet", "origin", "main")
    git(clone, "reset", "--quiet", "--hard", "FETCH_HEAD")
    text = (clone / file).read_bytes().decode()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    commit(clone, "a change", {file: text})
    git(clone, "push", "--quiet", "origin", "HEAD:main")


def test_generators_with_hashes_move_values_alone_and_secrets_are_never_shown(tmp_path: Path, environment: dict[str, str]) -> None:
    origin, clone = generated(tmp_path)
    edit(clone, "overlays/canary/kustomization.yaml", ("POOL=10", "POOL=20"), ("hunter2", "hunter3"), ("count: 2", "count: 1"))
    edit(clone, "overlays/canary/shop.ini", ("10", "30"))
    proof = judged(clone, environment)
    planned = trimtab(clone, environment, "promote", "--evidence", proof, "--dry-run")
    assert "+pool = 30" in str(planned["patch"]) and "kustomization.yaml is not shown: it may hold Secrets" in str(planned["patch"])
    done = trimtab(clone, environment, "promote", "--evidence", proof)
    stable = git(origin, "show", "main:overlays/stable/kustomization.yaml")
    assert "POOL=20" in stable and "password=hunter3" in stable and "count: 2" in stable and "# how much is logged" in stable
    raw = subprocess.run(["git", "show", "main:overlays/stable/shop.ini"], cwd=origin, check=True, capture_output=True).stdout
    assert raw == b"[shop]\r\npool = 30\r\n"
    everything = json.dumps([planned, done]) + Path(proof).read_text() + git(origin, "log", "--format=%B", "main", "refs/trimtab/journal")
    assert "hunter" not in everything
    assert {change["object"].split("/")[0] for change in done["changes"]} == {"configmap", "secret"}  # type: ignore[attr-defined]


def test_a_key_makes_fingerprints_of_secrets_and_other_keys_other_ones(tmp_path: Path, environment: dict[str, str]) -> None:
    _, clone = generated(tmp_path)
    edit(clone, "overlays/canary/kustomization.yaml", ("hunter2", "hunter3"))
    keyed = {**environment, "TRIMTAB_FINGERPRINT_KEY": "k1"}
    proof = judged(clone, keyed)
    assert "hmac:" in Path(proof).read_text()
    shown = trimtab(clone, keyed, "promote", "--evidence", proof, "--dry-run")
    assert "fingerprint" in str(shown["changes"]) and "hunter" not in str(shown["changes"])


def test_content_from_a_component_that_stable_does_not_have_is_refused_by_name(tmp_path: Path, environment: dict[str, str]) -> None:
    origin, clone = generated(tmp_path)
    component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nconfigMapGenerator:\n"
    commit(clone, "a component", {"more/kustomization.yaml": component + "- {name: settings, behavior: merge, literals: [POOL=40]}\n"})
    git(clone, "push", "--quiet", "origin", "HEAD:main")
    edit(clone, "overlays/canary/kustomization.yaml", ("namePrefix", "components: [../../more]\nnamePrefix"))
    before = git(origin, "rev-parse", "main")
    said = refused(clone, environment, "promote", "--evidence", judged(clone, environment))
    assert "configmap/settings[POOL] would still differ" in said and "bring them in line by hand" in said
    assert git(origin, "rev-parse", "main") == before


def test_without_a_rendering_tool_nothing_happens_and_it_is_said_what_to_install(tmp_path: Path, environment: dict[str, str]) -> None:
    _, clone = generated(tmp_path)
    proof = judged(clone, environment)
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("git", "sh"):
        (bare / name).symlink_to(str(shutil.which(name)))
    said = refused(clone, {**environment, "PATH": str(bare)}, "promote", "--evidence", proof, ends=6)
    assert "neither `kustomize` nor `kubectl`" in said

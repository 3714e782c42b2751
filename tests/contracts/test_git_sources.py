"""Content and policies out of git: one snapshot per commit, refused commits, pinned revisions. Real git, no real waiting."""

import asyncio
import base64
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trimtab.adapters.git.process import Git
from trimtab.adapters.git.repository import Watching, open_repository
from trimtab.adapters.git.sources import GitSources
from trimtab.config.digest import DigestKey
from trimtab.documents.translate import translate
from trimtab.errors import InputError, Unavailable, Vanished
from trimtab.model.facts import Source
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName
from trimtab.model.revision import Revision

APP = CanaryKey("default", "app")
OTHER = CanaryKey("shop", "other")
SECRET = DigestKey("k1", b"k" * 32)
START = datetime(2026, 1, 2, tzinfo=UTC)
UNRENDERED = (
    "kustomization.yaml is not rendered: the files around it are read as they are written. In a git repository --path DIRECTORY renders one"
)


def canary(key: CanaryKey, target: str = "", more: str = "") -> str:
    return f"""
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {{name: {key.name}, namespace: {key.namespace}}}
spec:
  targetRef: {{apiVersion: apps/v1, kind: Deployment, name: {target or key.name}}}
  service: {{port: 80}}
  analysis: {{interval: 10s, threshold: 2, maxWeight: 50, stepWeight: 10}}
{more}
"""


def deployment(key: CanaryKey, reads: str = "", replicas: int = 2) -> str:
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {key.name}, namespace: {key.namespace}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {key.name}}}}}
  template:
    metadata: {{labels: {{app: {key.name}}}}}
    spec:
      containers:
      - name: main
        image: app:1
        envFrom: [{reads or "{configMapRef: {name: settings}}"}]
"""


def settings(value: str, namespace: str = "default", more: str = "") -> str:
    return f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings, namespace: {namespace}{more}}}
data: {{LIMIT: "{value}"}}
"""


def secret(value: str, kind: str = "Opaque") -> str:
    encoded = base64.b64encode(value.encode()).decode()
    return f"\napiVersion: v1\nkind: Secret\nmetadata: {{name: password}}\ntype: {kind}\ndata: {{PASSWORD: {encoded}}}\n"


class JumpingClock:
    """Waiting lets others go on once and moves the time; it notes how long it was asked to wait."""

    def __init__(self) -> None:
        self.moment = START
        self.waits: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def now(self) -> datetime:
        return self.moment

    async def sleep_until(self, moment: datetime) -> None:
        self.waits.append((moment - self.moment).total_seconds())
        self.moment = moment
        self.meanwhile()
        await asyncio.sleep(0)


class Origin:
    """A git repository to commit into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        person = {f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in (("NAME", "Ada"), ("EMAIL", "ada@x"))}
        quiet = {**os.environ, **person, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(["git", *arguments], cwd=self.folder, env=quiet, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, message: str, **files: str | None) -> str:
        for name, content in files.items():
            path = self.folder / f"{name}.yaml"
            if content is None:
                path.unlink()
            else:
                path.write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path / "origin")


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


async def opened(tmp_path: Path, clock: JumpingClock, key: DigestKey = SECRET, source: str = "origin") -> GitSources:
    repository = await open_repository(Watching(str(tmp_path / source)), tmp_path / "clone", Git())
    return GitSources(repository, translate, key, clock)


async def started(tmp_path: Path, clock: JumpingClock, key: DigestKey = SECRET) -> GitSources:
    sources = await opened(tmp_path, clock, key)
    await sources.start()
    return sources


def known(source: Source) -> Revision:
    assert source.problem == ""
    assert source.revision is not None
    return source.revision


async def limit(sources: GitSources, revision: Revision, key: CanaryKey = APP) -> list[str]:
    return [content.data["LIMIT"].decode() for content in await sources.contents(key, revision) if "LIMIT" in content.data]


async def test_a_canary_its_target_and_its_content_make_a_source(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    commit = origin.commit("First", app=canary(APP, more="  suspend: true") + "---" + deployment(APP), settings=settings("1"))
    sources = await started(tmp_path, clock)
    source = await sources.read(APP)
    revision = known(source)
    assert await sources.keys() == (APP,)
    assert [ref.name for ref in revision.configs] == [ConfigName(ConfigKind.CONFIG_MAP, "settings")]
    assert revision.configs[0].keys == ("LIMIT",)
    assert len(revision.configs[0].checksum) == 16
    assert source.policy is not None
    assert source.policy.weights == (10, 20, 30, 40, 50)
    assert (source.suspended, source.skip_analysis, source.replicas) == (True, False, 2)
    assert (source.origin.commit, source.origin.author, source.origin.message) == (commit, "Ada <ada@x>", "First")
    (content,) = await sources.contents(APP, revision)
    assert (content.data, content.file, content.line) == ({"LIMIT": b"1"}, "settings.yaml", 2)


async def test_the_origin_is_the_commit_that_touched_the_revision(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    origin.commit("First", app=canary(APP) + "---" + deployment(APP), settings=settings("1"))
    sources = await started(tmp_path, clock)
    await sources.read(APP)
    second = origin.commit("Raise the limit", settings=settings("2"))
    origin.commit("Elsewhere", readme="about: this")
    await sources.refresh()
    assert (await sources.read(APP)).origin.commit == second
    again = await started(tmp_path, clock)
    assert (await again.read(APP)).origin.commit == second


async def test_only_what_changed_is_reported_after_a_commit(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    both = {"app": canary(APP) + "---" + deployment(APP), "other": canary(OTHER) + "---" + deployment(OTHER, replicas=1)}
    origin.commit("First", **both, settings=settings("1") + "---" + settings("1", "shop"))
    sources = await started(tmp_path, clock)
    before = known(await sources.read(APP)), known(await sources.read(OTHER))
    pending: list[Callable[[], object]] = [
        lambda: None,
        lambda: origin.commit("Second", settings=settings("2") + "---" + settings("1", "shop")),
        lambda: origin.commit("Third", other=None),
    ]
    clock.meanwhile = lambda: pending.pop(0)() if pending else None
    changes = sources.changes()
    assert await anext(changes) == APP
    assert known(await sources.read(APP)) != before[0]
    assert known(await sources.read(OTHER)) == before[1]
    assert await anext(changes) == OTHER
    assert await sources.keys() == (APP,)
    assert "not in the source any more" in (await sources.read(OTHER)).problem
    pruning = GitSources(
        await open_repository(Watching(str(origin.folder)), tmp_path / "other", Git()), translate, SECRET, clock, prune=True
    )
    await pruning.start()
    known(await pruning.read(APP))
    with pytest.raises(Vanished, match="not in the source any more"):
        await pruning.read(OTHER)
    assert clock.waits == [1.0, 1.0, 1.0]


async def test_a_manifest_that_does_not_parse_refuses_the_commit_for_everybody(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    good = origin.commit("First", app=canary(APP) + "---" + deployment(APP), settings=settings("1"))
    sources = await started(tmp_path, clock)
    before = await sources.read(APP)
    bad = origin.commit("Broken", settings=settings("2"), extra="a: 1\nb: [\n")
    assert await sources.refresh() == (APP,)
    source = await sources.read(APP)
    assert known(source) == known(before)
    assert source.policy == before.policy
    assert f"commit {bad[:10]} by Ada <ada@x> is refused: extra.yaml:" in source.policy_problem
    assert f"Commit {good[:10]} stays in force" in source.policy_problem
    assert [refusal.origin.commit for refusal in sources.refusals] == [bad]
    assert await sources.refresh() == ()
    origin.commit("Fixed", extra=None)
    assert await sources.refresh() == (APP,)
    source = await sources.read(APP)
    assert source.policy_problem == ""
    assert await limit(sources, known(source)) == ["2"]


async def test_at_the_start_a_bad_commit_is_an_error_with_file_and_line(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    origin.commit("Broken", extra="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: 1}\n")
    sources = await opened(tmp_path, clock)
    with pytest.raises(InputError, match=r"extra\.yaml:4: data\.a: expected text, found a number"):
        await sources.start()


async def test_a_bad_canary_is_only_its_own_problem(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    both = {"app": canary(APP) + "---" + deployment(APP), "other": canary(OTHER) + "---" + deployment(OTHER)}
    origin.commit("First", **both, settings=settings("1") + "---" + settings("1", "shop"))
    sources = await started(tmp_path, clock)
    before = await sources.read(APP)
    origin.commit("Typo", app=canary(APP, more="  analisis: {}") + "---" + deployment(APP))
    assert await sources.refresh() == (APP,)
    source = await sources.read(APP)
    assert source.policy is None
    assert "app.yaml:" in source.policy_problem
    assert "analisis" in source.policy_problem
    assert known(source) == known(before)
    assert sources.manifests.without_canary() == ()
    assert (await sources.read(OTHER)).policy_problem == ""
    fresh = await opened(tmp_path, clock)
    with pytest.raises(InputError, match="analisis"):
        await fresh.start()


async def test_two_canaries_on_one_target_are_both_named(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    origin.commit("First", app=canary(APP) + "---" + deployment(APP), settings=settings("1"))
    sources = await started(tmp_path, clock)
    origin.commit("Second", twin=canary(CanaryKey("default", "twin"), "app"))
    await sources.refresh()
    for key in await sources.keys():
        source = await sources.read(key)
        assert source.revision is None
        assert "app.default (app.yaml:2) and twin.default (twin.yaml:2) have the same target deployment app.default" in source.problem
    fresh = await opened(tmp_path, clock)
    with pytest.raises(InputError, match="have the same target"):
        await fresh.start()


async def test_a_missing_target_is_said_in_flaggers_words_with_what_there_is(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    origin.commit("First", app=canary(APP, "ap") + "---" + deployment(APP), settings=settings("1"))
    problem = (await (await started(tmp_path, clock)).read(APP)).problem
    assert problem.startswith('deployment ap.default get query error: deployments.apps "ap" not found')
    assert "app.yaml:6" in problem
    assert problem.endswith("there is: app. Add it, or correct spec.targetRef.")


async def test_a_missing_mandatory_config_is_said_in_flaggers_words_with_its_place(
    tmp_path: Path, origin: Origin, clock: JumpingClock
) -> None:
    origin.commit("First", app=canary(APP) + "---" + deployment(APP))
    sources = await started(tmp_path, clock)
    problem = (await sources.read(APP)).problem
    assert problem.startswith('GetTargetConfigs failed: configmap settings.default get query error: configmaps "settings" not found')
    assert "deployment app in app.yaml:" in problem and problem.endswith("Add it, or mark the reference as optional.")
    origin.commit("A typo", setings=settings("1").replace("name: settings", "name: setings"))
    await sources.refresh()
    assert (await sources.read(APP)).problem.endswith("Did you mean setings?")
    origin.commit("Second", settings=settings("1"))
    assert await sources.refresh() == (APP,)
    known(await sources.read(APP))


async def test_a_missing_optional_config_is_a_reference_without_digest(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    optional = deployment(APP, "{configMapRef: {name: settings, optional: true}}")
    origin.commit("First", app=canary(APP) + "---" + optional)
    sources = await started(tmp_path, clock)
    before = known(await sources.read(APP))
    assert [ref.digest for ref in before.configs] == [""]
    assert await sources.contents(APP, before) == ()
    origin.commit("Second", settings=settings("1"))
    await sources.refresh()
    assert known(await sources.read(APP)) != before


async def test_a_config_that_is_not_tracked_is_shared_and_starts_nothing(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    off = ", annotations: {flagger.app/config-tracking: disabled}"
    origin.commit("First", app=canary(APP) + "---" + deployment(APP), settings=settings("1", more=off))
    sources = await started(tmp_path, clock)
    before = known(await sources.read(APP))
    assert before.configs == ()
    origin.commit("Second", settings=settings("2", more=off))
    assert await sources.refresh() == ()
    assert known(await sources.read(APP)) == before
    assert await limit(sources, before) == ["2"]


async def test_a_kept_revision_is_read_byte_for_byte_after_a_force_push_and_a_restart(
    tmp_path: Path, origin: Origin, clock: JumpingClock
) -> None:
    origin.commit("First", app=canary(APP) + "---" + deployment(APP), settings=settings("1"))
    origin.commit("Second", settings=settings("2"))
    sources = await started(tmp_path, clock)
    second = known(await sources.read(APP))
    origin.git("reset", "--quiet", "--hard", "HEAD~1")
    origin.commit("Other", settings=settings("3"))
    await sources.refresh()
    third = known(await sources.read(APP))
    again = await started(tmp_path, clock)
    await again.keep(APP, (second,))
    assert await limit(again, second) == ["2"]
    assert await limit(again, third) == ["3"]
    await again.keep(APP, ())
    again = await started(tmp_path, clock)
    origin.commit("Next", settings=settings("4"))
    await again.refresh()
    assert await limit(again, second) == []
    assert await limit(again, third) == ["3"]


async def test_a_revision_is_pinned_before_anybody_hears_of_it(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    origin.commit("First", app=canary(APP) + "---" + deployment(APP), settings=settings("1"))
    first = known(await (await started(tmp_path, clock)).read(APP))
    origin.commit("Second", settings=settings("2"))
    after_a_crash = await started(tmp_path, clock)
    assert await limit(after_a_crash, first) == ["1"]


async def test_a_revision_that_cannot_be_pinned_starts_nothing(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    origin.commit("First", app=canary(APP) + "---" + deployment(APP), settings=settings("1"))
    sources = await started(tmp_path, clock)
    (tmp_path / "clone/refs/trimtab/keep").write_text("in the way")
    source = await sources.read(APP)
    assert source.revision is None
    assert "pinning revisions of app.default" in source.problem


async def test_letting_go_of_pins_never_stops_a_pass(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    origin.commit("First", app=canary(APP) + "---" + deployment(APP), settings=settings("1"))
    sources = await started(tmp_path, clock)
    first = known(await sources.read(APP))
    origin.commit("Second", settings=settings("2"))
    await sources.refresh()
    known(await sources.read(APP))
    lock = tmp_path / f"clone/refs/trimtab/keep/default/app/{first.id}.lock"
    lock.write_text("")
    await sources.keep(APP, ())
    assert await limit(sources, first) == ["1"]
    lock.unlink()
    await sources.keep(APP, ())
    assert await limit(sources, first) == []


async def test_no_value_of_a_secret_shows_in_a_source(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    reads = deployment(APP, "{secretRef: {name: password}}")
    origin.commit("First", app=canary(APP) + "---" + reads, password=secret("hunter2hunter2"))
    sources = await started(tmp_path, clock)
    source = await sources.read(APP)
    (ref,) = known(source).configs
    assert ref.digest.startswith("hmac:k1:")
    assert ref.checksum == ""
    (content,) = await sources.contents(APP, known(source))
    assert content.data == {"PASSWORD": b"hunter2hunter2"}
    shown = f"{source!r} {content!r} {sources.manifests!r}"
    assert "hunter2" not in shown
    assert base64.b64encode(b"hunter2hunter2").decode() not in shown


async def test_the_pin_counts_where_the_key_of_a_digest_is_gone(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    reads = deployment(APP, "{secretRef: {name: password}}")
    origin.commit("First", app=canary(APP) + "---" + reads, password=secret("one"))
    first = known(await (await started(tmp_path, clock)).read(APP))
    origin.commit("Second", password=secret("two"))
    sources = await started(tmp_path, clock, DigestKey("k2", b"x" * 32))
    (content,) = await sources.contents(APP, first)
    assert content.data == {"PASSWORD": b"one"}
    unpinned = replace(first, id="0123456789")
    assert [found.data for found in await sources.contents(APP, unpinned)] != [{"PASSWORD": b"one"}]


async def test_workloads_without_a_canary_services_and_warnings_are_there_for_the_runtime(
    tmp_path: Path, origin: Origin, clock: JumpingClock
) -> None:
    service = "\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80, targetPort: http}]}\n"
    plain = CanaryKey("default", "plain")
    origin.commit(
        "First", app=canary(APP) + "---" + deployment(APP), plain=deployment(plain, replicas=3), settings=settings("1"),
        service=service, kustomization="resources: [app.yaml]", values="some: values",
    )  # fmt: skip
    found = (await started(tmp_path, clock)).manifests
    assert [(workload.name, workload.replicas) for workload in found.without_canary()] == [("plain", 3)]
    assert [port.port for port in found.services["default", "web"].view.spec.ports] == [80]
    assert found.warnings == (UNRENDERED,)


async def test_an_object_that_is_written_twice_refuses_the_commit(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    origin.commit("First", a=settings("1"), b=settings("2"))
    sources = await opened(tmp_path, clock)
    with pytest.raises(InputError, match=r"b\.yaml:2: ConfigMap settings of namespace default is also in a\.yaml:2"):
        await sources.start()


async def test_a_file_without_documents_is_nothing_in_later_commits_too(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    origin.commit("First", app=canary(APP) + "---" + deployment(APP) + "---" + settings("1"), later="# nothing yet\n")
    sources = await started(tmp_path, clock)
    origin.commit("Second", app=canary(APP) + "---" + deployment(APP) + "---" + settings("2"))
    assert await sources.refresh() == (APP,)
    assert await limit(sources, known(await sources.read(APP))) == ["2"]


async def test_only_kustomizations_are_left_aside_not_files_whose_names_end_so(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    app = canary(APP) + "---" + deployment(APP)
    origin.commit("First", app=app, **{"our-kustomization": settings("1"), "kustomization": "resources: []"})
    sources = await started(tmp_path, clock)
    assert await limit(sources, known(await sources.read(APP))) == ["1"]
    assert sources.manifests.warnings == (UNRENDERED,)


@pytest.mark.parametrize("kind", ["git", "plain"])
async def test_a_name_of_a_file_that_is_no_text_is_spelt_out(tmp_path: Path, origin: Origin, clock: JumpingClock, kind: str) -> None:
    app = canary(APP) + "---" + deployment(APP)
    if kind == "git":
        (origin.folder / os.fsdecode(b"caf\xe9.yaml")).write_text(settings("1"))
        origin.commit("First", app=app)
        sources = await started(tmp_path, clock)
        assert (await sources.read(APP)).origin.message == "First"
    else:
        (tmp_path / "plain").mkdir()
        (tmp_path / "plain" / "app.yaml").write_text(app)
        (tmp_path / "plain" / os.fsdecode(b"caf\xe9.yaml")).write_text(settings("1"))
        sources = await opened(tmp_path, clock, source="plain")
        await sources.start()
    (content,) = await sources.contents(APP, known(await sources.read(APP)))
    assert content.file == "caf\\xe9.yaml"
    content.file.encode()


async def test_lists_and_other_namespaces_are_read(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    objects = [canary(OTHER), deployment(OTHER), settings("1", "shop")]
    items = "".join("- " + text.strip().replace("\n", "\n  ") + "\n" for text in objects)
    origin.commit("First", all=f"apiVersion: v1\nkind: List\nitems:\n{items}")
    sources = await started(tmp_path, clock)
    assert await sources.keys() == (OTHER,)
    assert await limit(sources, known(await sources.read(OTHER)), OTHER) == ["1"]


async def test_while_the_source_is_away_the_last_commit_stays_in_force_and_tries_get_rarer(
    tmp_path: Path, origin: Origin, clock: JumpingClock
) -> None:
    origin.commit("First", app=canary(APP) + "---" + deployment(APP), settings=settings("1"))
    sources = await started(tmp_path, clock)
    first = known(await sources.read(APP))
    origin.commit("Second", settings=settings("2"))
    origin.folder.rename(tmp_path / "away")

    def back_again() -> None:
        if len(clock.waits) == 3:
            assert str(origin.folder) in sources.away
            (tmp_path / "away").rename(origin.folder)

    clock.meanwhile = back_again
    changes = sources.changes()
    assert known(await sources.read(APP)) == first
    assert await anext(changes) == APP
    assert clock.waits == [1.0, 2.0, 4.0]
    assert sources.away == ""
    assert known(await sources.read(APP)) != first


async def test_a_start_without_the_remote_goes_by_what_was_fetched(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    origin.commit("First", app=canary(APP) + "---" + deployment(APP), settings=settings("1"))
    url = f"file://{origin.folder}"

    async def remote() -> GitSources:
        repository = await open_repository(Watching(url), tmp_path / "clone", Git())
        return GitSources(repository, translate, SECRET, clock)

    await (await remote()).start()
    origin.folder.rename(tmp_path / "away")
    sources = await remote()
    await sources.start()
    assert sources.away
    known(await sources.read(APP))


async def test_what_was_fetched_from_another_source_does_not_count(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    origin.commit("First", app=canary(APP) + "---" + deployment(APP), settings=settings("1"))
    sources = await started(tmp_path, clock)
    first = known(await sources.read(APP))
    repository = await open_repository(Watching(f"file://{tmp_path}/nowhere"), tmp_path / "clone", Git())
    elsewhere = GitSources(repository, translate, SECRET, clock)
    with pytest.raises(Unavailable):
        await elsewhere.start()
    assert await limit(elsewhere, first) == ["1"]


async def test_a_kept_revision_below_another_path_is_left_out(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    origin.commit("First", app=canary(APP) + "---" + deployment(APP), settings=settings("1"))
    first = known(await (await started(tmp_path, clock)).read(APP))
    (origin.folder / "deploy").mkdir()
    origin.git("mv", "app.yaml", "settings.yaml", "deploy")
    origin.git("commit", "--quiet", "--message", "Moved")
    repository = await open_repository(Watching(str(origin.folder), "deploy"), tmp_path / "clone", Git())
    sources = GitSources(repository, translate, SECRET, clock)
    await sources.start()
    assert known(await sources.read(APP)) == first
    assert await limit(sources, first) == ["1"]
    assert await limit(sources, replace(first, configs=(replace(first.configs[0], digest="sha256:other"),))) == []


async def test_a_start_without_the_remote_and_without_a_clone_is_unavailable(tmp_path: Path, clock: JumpingClock) -> None:
    repository = await open_repository(Watching(f"file://{tmp_path}/nowhere"), tmp_path / "clone", Git())
    with pytest.raises(Unavailable):
        await GitSources(repository, translate, SECRET, clock).start()


async def test_a_branch_that_vanishes_is_told_and_the_last_commit_stays_in_force(
    tmp_path: Path, origin: Origin, clock: JumpingClock
) -> None:
    origin.commit("First", app=canary(APP) + "---" + deployment(APP), settings=settings("1"))
    origin.git("branch", "live")
    repository = await open_repository(Watching(str(origin.folder), branch="live"), tmp_path / "clone", Git())
    sources = GitSources(repository, translate, SECRET, clock)
    await sources.start()
    origin.git("branch", "--delete", "live")
    assert await sources.refresh() == (APP,)
    source = await sources.read(APP)
    known(source)
    assert "no branch live. There is: main." in source.policy_problem
    assert not repository.moved()
    origin.git("branch", "live")
    assert repository.moved()
    assert await sources.refresh() == (APP,)
    assert (await sources.read(APP)).policy_problem == ""


async def test_a_plain_folder_has_an_unknown_author(tmp_path: Path, clock: JumpingClock) -> None:
    folder = tmp_path / "origin"
    folder.mkdir()
    (folder / "all.yaml").write_text(canary(APP) + "---" + deployment(APP) + "---" + settings("1"))
    sources = await started(tmp_path, clock)
    source = await sources.read(APP)
    assert source.origin.author == "unknown"
    assert source.origin.commit == sources.manifests.commit
    first = known(source)
    (folder / "all.yaml").write_text(canary(APP) + "---" + deployment(APP) + "---" + settings("2"))
    assert await sources.refresh() == (APP,)
    assert await limit(sources, first) == ["1"]
    assert await limit(sources, known(await sources.read(APP))) == ["2"]


POLICY = """
apiVersion: trimtab.dev/v1alpha1
kind: RolloutPolicy
metadata: {name: strict}
spec:
  validation:
    schemas: [{configMap: settings, key: LIMIT, schemaFrom: {configMap: schemas, key: limit}}]
"""


def schemas(most: int) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: schemas}}\ndata:\n  limit: |\n    maxLength: {most}\n"


async def test_nothing_starts_while_the_rollout_policy_that_is_named_does_not_exist(
    tmp_path: Path, origin: Origin, clock: JumpingClock
) -> None:
    named = canary(APP).replace("namespace: default}", "namespace: default, annotations: {trimtab.dev/policy: strict}}")
    origin.commit("First", app=named + "---" + deployment(APP), settings=settings("1"))
    sources = await started(tmp_path, clock)
    source = await sources.read(APP)
    assert (source.revision, source.policy_problem) == (None, "")
    assert "names RolloutPolicy 'strict', which does not exist; there are: none" in source.problem
    origin.commit("Second", policy=POLICY, schemas=schemas(1))
    assert await sources.refresh() == (APP,)
    known(await sources.read(APP))


async def test_a_json_schema_may_stand_in_a_config_map_of_the_same_commit(tmp_path: Path, origin: Origin, clock: JumpingClock) -> None:
    named = canary(APP).replace("namespace: default}", "namespace: default, annotations: {trimtab.dev/policy: strict}}")
    origin.commit("First", app=named + "---" + deployment(APP), settings=settings("1"), policy=POLICY, schemas=schemas(1))
    sources = await started(tmp_path, clock)
    policy = (await sources.read(APP)).policy
    assert policy is not None and [schema.schema for schema in policy.content.schemas] == ['{"maxLength":1}']
    origin.commit("Second", schemas=schemas(2))
    assert await sources.refresh() == (APP,)
    policy = (await sources.read(APP)).policy
    assert policy is not None and [schema.schema for schema in policy.content.schemas] == ['{"maxLength":2}']
    origin.commit("Third", schemas=None)
    await sources.refresh()
    problem = (await sources.read(APP)).policy_problem
    assert "RolloutPolicy strict: spec.validation.schemas[0].schemaFrom: key limit of ConfigMap schemas does not exist" in problem

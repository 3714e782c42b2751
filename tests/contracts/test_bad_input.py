"""What a person reads whose repository is not in order: file and line, what was found, what is allowed, what to do. Real git."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from trimtab.adapters.git.process import Git
from trimtab.adapters.git.repository import Watching, open_repository
from trimtab.adapters.git.sources import GitSources
from trimtab.config.digest import DigestKey
from trimtab.documents.analysis import CanaryMetric
from trimtab.documents.checks import unmeasured
from trimtab.documents.decode import read_documents
from trimtab.documents.flagger import Canary
from trimtab.documents.onemachine import refuse_what_cannot_work
from trimtab.documents.translate import Companions, translate
from trimtab.errors import InputError
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.testing.jumping import JumpingClock
from trimtab.validation.checks import validate

APP = CanaryKey("default", "app")
CANARY = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: app}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: app}
  service: {port: 80}
  analysis:
    interval: 10s
    threshold: 2
    maxWeight: 50
    stepWeight: 10
"""
WEIGHTS = "    maxWeight: 50\n    stepWeight: 10\n"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
      - name: main
        image: app:1
        envFrom: [{configMapRef: {name: settings}}]
"""
Files = Mapping[str, str | bytes | None]
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata:\n  LIMIT: '1'\n"


def rules(canary: Canary, companions: Companions) -> Policy:
    """As on one machine."""
    refuse_what_cannot_work(canary)
    return translate(canary, companions)


@dataclass
class Place:
    """A repository in order, until a test commits something else."""

    folder: Path
    clock: JumpingClock = field(default_factory=JumpingClock)

    def __post_init__(self) -> None:
        (self.folder / "repository").mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit({"canary.yaml": CANARY, "deployment.yaml": DEPLOYMENT, "settings.yaml": SETTINGS})

    def git(self, *arguments: str) -> None:
        person = {f"GIT_{who}_{what}": "ada" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        folder = self.folder / "repository"
        subprocess.run(["git", *arguments], cwd=folder, env={**os.environ, **person, **alone}, check=True, capture_output=True)

    def commit(self, files: Files) -> None:
        for name, content in files.items():
            path = self.folder / "repository" / name
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Change")

    async def sources(self, path: str = "") -> GitSources:
        repository = await open_repository(Watching(str(self.folder / "repository"), path), self.folder / "clone", Git())
        return GitSources(repository, rules, DigestKey("k1", b"k" * 32), self.clock)

    async def refusal(self, files: Files, path: str = "") -> list[str]:
        """The lines with which a start ends, without the commit's name."""
        self.commit(files)
        with pytest.raises(InputError) as caught:
            await (await self.sources(path)).start()
        text = re.sub(r"^commit [0-9a-f]{10} by ada <ada> is refused: ", "", str(caught.value))
        return text.replace(str(self.folder), "").splitlines()

    async def started(self, files: Files) -> GitSources:
        self.commit(files)
        sources = await self.sources()
        await sources.start()
        return sources


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def canary(before: str, after: str) -> Files:
    assert before in CANARY
    return {"canary.yaml": CANARY.replace(before, after)}


def settings(after: str, before: str = "  LIMIT: '1'\n") -> Files:
    return {"settings.yaml": SETTINGS.replace(before, after)}


async def test_the_repository_of_these_tests_is_in_order(place: Place) -> None:
    source = await (await place.started({"more.yaml": SETTINGS.replace("name: settings", "name: more")})).read(APP)
    assert (source.problem, source.policy_problem) == ("", "")
    assert source.revision is not None


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            settings("  LIMIT: 'x\n  OTHER: [\n"),
            "settings.yaml:5: not YAML: while scanning a quoted scalar, found unexpected end of stream",
        ),
        (
            settings("\tLIMIT: x\n"),
            "settings.yaml:5: not YAML: while scanning for the next token, found character that cannot start any token."
            " There is a tab: YAML is indented with spaces",
        ),
    ],
    ids=["quote", "tab"],
)
async def test_yaml_that_does_not_parse(place: Place, files: Files, says: str) -> None:
    assert await place.refusal(files) == [says]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (settings("  LIMIT: 1\n"), "settings.yaml:5: data.LIMIT: expected text, found a number. Values are text: quote it"),
        (canary("threshold: 2", "threshold: two"), "canary.yaml:9: spec.analysis.threshold: expected a whole number, found text"),
        (
            canary("interval: 10s", "interval: 10"),
            "canary.yaml:8: spec.analysis.interval: expected a duration in minutes or seconds such as 30s or 5m,"
            " found 10, which lacks a unit",
        ),
        (
            canary("maxWeight: 50", "maxWeight: 500"),
            "canary.yaml:10: spec.analysis.maxWeight is 500; a percentage must be between 0 and 100",
        ),
    ],
    ids=["value", "number", "duration", "percentage"],
)
async def test_a_wrong_type_or_value(place: Place, files: Files, says: str) -> None:
    assert await place.refusal(files) == [says]


async def test_an_unknown_field_is_named_with_the_nearest_one(place: Place) -> None:
    says = "canary.yaml:11: spec.analysis.stepWieght: there is no such field; did you mean stepWeight?"
    assert await place.refusal(canary("stepWeight", "stepWieght")) == [says]


async def test_a_key_that_is_written_twice(place: Place) -> None:
    files = settings("  LIMIT: '1'\n  LIMIT: '2'\n")
    assert await place.refusal(files) == ["settings.yaml:6: the key 'LIMIT' is written twice, first on line 5"]


async def test_every_file_that_must_be_changed_is_named_at_once(place: Place) -> None:
    files = {**settings("  LIMIT: 1\n"), "deployment.yaml": "kind: [\n", "again.yaml": CANARY}
    found = await place.refusal(files)
    assert [line.partition(": ")[0] for line in found] == ["canary.yaml:1", "deployment.yaml:1", "settings.yaml:5"]
    assert "Canary app of namespace default is also in again.yaml:1. Remove one of them" in found[0]


async def test_a_canary_whose_target_is_missing_says_what_there_is_and_comes_right_when_it_appears(place: Place) -> None:
    sources = await place.started(canary("Deployment, name: app", "Deployment, name: ap"))
    assert (await sources.read(APP)).problem == (
        'deployment ap.default get query error: deployments.apps "ap" not found (named in canary.yaml:5).'
        " In namespace default there is: app. Add it, or correct spec.targetRef."
    )
    place.commit({"canary.yaml": CANARY})
    await sources.refresh()
    assert (await sources.read(APP)).revision is not None


async def test_a_config_map_that_is_missing_says_who_reads_it_and_comes_right_when_it_appears(place: Place) -> None:
    sources = await place.started({"settings.yaml": None})
    assert (await sources.read(APP)).problem.endswith(
        'configmaps "settings" not found (read by deployment app in deployment.yaml:1, containers[main].envFrom).'
        " Add it, or mark the reference as optional."
    )
    place.commit({"settings.yaml": SETTINGS})
    await sources.refresh()
    assert (await sources.read(APP)).revision is not None


async def test_two_canaries_on_one_target_are_both_named(place: Place) -> None:
    says = "Canaries app.default (canary.yaml:1) and twin.default (twin.yaml:1) have the same target deployment app.default."
    files = {"twin.yaml": CANARY.replace("metadata: {name: app}", "metadata: {name: twin}")}
    assert await place.refusal(files) == [f"{says} Remove all but one."]


NAMES = "small letters, digits, hyphens and dots, with a letter or digit at both ends, at most 253"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (canary("{name: app}", "{name: ../../x}"), f"canary.yaml:3: metadata.name: '../../x' cannot be a name; it must be {NAMES}"),
        (
            canary("{name: app}", "{name: app, namespace: ../x}"),
            "canary.yaml:3: metadata.namespace: '../x' cannot be a name here;"
            " it must be small letters, digits and hyphens, with a letter or digit at both ends, at most 63",
        ),
        (
            {"settings.yaml": SETTINGS.replace("name: settings", "name: ../settings")},
            f"settings.yaml:3: metadata.name: '../settings' cannot be a name; it must be {NAMES}",
        ),
        (
            settings("  ../../LIMIT: '1'\n"),
            "settings.yaml:5: data[../../LIMIT]: cannot be a key;"
            " keys are letters, digits, hyphens, underscores and dots, not `..` at the start",
        ),
        (canary("port: 80", "port: 99999"), "canary.yaml:6: spec.service.port is 99999; a port is a number from 1 to 65535"),
        (
            {"deployment.yaml": DEPLOYMENT.replace("spec:\n  selector", "spec:\n  replicas: -1\n  selector")},
            "deployment.yaml:5: spec.replicas: expected a whole number not below 0, found -1",
        ),
    ],
    ids=["canary", "namespace", "config-map", "key", "port", "replicas"],
)
async def test_names_and_numbers_that_a_cluster_would_refuse_are_refused_here(place: Place, files: Files, says: str) -> None:
    assert await place.refusal(files) == [says]


async def test_a_template_that_was_not_rendered_says_so(place: Place) -> None:
    (found,) = await place.refusal({"chart.yaml": "metadata:\n  name: {{ .Values.name }}\n"})
    assert found.startswith("chart.yaml:2: a list or a mapping cannot be a key. If this is a template with {{ }}, render it")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            canary(WEIGHTS, WEIGHTS + "    match: [{headers: {x: {exact: 'on'}}}]\n"),
            "canary.yaml:12: spec.analysis.match needs spec.analysis.iterations: by weights everybody may reach the canary,"
            " whatever their requests match. Write iterations in place of the weights, or remove match",
        ),
        (
            canary(WEIGHTS, "    iterations: -1\n    match: [{headers: {x: {exact: 'on'}}}]\n"),
            "canary.yaml:11: spec.analysis.match needs spec.analysis.iterations: by weights everybody may reach the canary,"
            " whatever their requests match. Write iterations in place of the weights, or remove match",
        ),
        *(
            (
                canary(WEIGHTS, f"    iterations: {number}\n"),
                f"canary.yaml:10: spec.analysis.iterations is {number}; it must be at least 1, or nothing would be checked before"
                " promotion. Write how many checks have to pass, or stepWeights in its place",
            )
            for number in (0, -3)
        ),
        (
            canary(WEIGHTS, "    iterations: 3\n    match: [{}]\n"),
            "canary.yaml:11: spec.analysis.match has an alternative without conditions, which every request meets;"
            " give it headers or queryParams",
        ),
        (
            canary(WEIGHTS, "    iterations: 3\n    match: [{sourceLabels: {x: z}}]\n"),
            "canary.yaml:11: spec.analysis.match.sourceLabels cannot work on one machine."
            " Remove it, for example with an overlay for local use",
        ),
        (
            canary(WEIGHTS, WEIGHTS + "    sessionAffinity: {cookieName: x}\n"),
            "canary.yaml:12: spec.analysis.sessionAffinity cannot work on one machine."
            " Remove it, for example with an overlay for local use",
        ),
    ],
    ids=["weights", "no iterations", "none", "fewer than none", "everything", "labels", "affinity"],
)
async def test_what_cannot_work_is_refused_with_what_to_write(place: Place, files: Files, says: str) -> None:
    assert await place.refusal(files) == [says]


async def test_what_cannot_work_in_a_later_commit_leaves_the_rules_as_they_were(place: Place) -> None:
    sources = await place.started({"more.yaml": SETTINGS.replace("name: settings", "name: more")})
    place.commit(canary("maxWeight: 50", "maxWeight: 500"))
    await sources.refresh()
    source = await sources.read(APP)
    assert source.policy is None
    assert source.policy_problem.startswith("canary.yaml:10: spec.analysis.maxWeight is 500")
    assert source.revision is not None


async def test_a_repository_without_the_path_lists_what_there_is(place: Place) -> None:
    (found,) = await place.refusal({"more.yaml": "{}"}, path="deploy/production")
    assert found.endswith(
        "of /repository has no path deploy/production. At its root there is: canary.yaml, deployment.yaml, more.yaml, settings.yaml."
    )


async def test_a_config_map_above_one_mebibyte_names_its_largest_value(place: Place) -> None:
    sources = await place.started(settings(f"  LIMIT: '1'\n  BIG: {'x' * (1 << 20)}\n"))
    source = await sources.read(APP)
    assert source.revision is not None
    (finding,) = validate(await sources.contents(APP, source.revision), ())
    assert str(finding) == (
        "settings.yaml:1: configmap/settings: has 1048577 bytes; all values of a ConfigMap together may have 1048576 (content/size)."
        " Split it, or mount BIG, the largest, from elsewhere."
    )


async def test_a_value_that_is_not_utf8_is_refused_with_its_line(place: Place) -> None:
    says = "settings.yaml:6: not UTF-8 text. Save the file as UTF-8; bytes that are no text go below binaryData, as base64"
    assert await place.refusal({"settings.yaml": SETTINGS.encode() + b"  NAME: caf\xe9\n"}) == [says]


def test_a_kind_that_is_nearly_one_of_ours_is_left_alone_with_a_warning_that_names_it() -> None:
    (found,) = read_documents("apiVersion: apps/v1\nkind: Deploymnt\nmetadata: {name: web}\n", "web.yaml")
    assert found.value is None
    assert found.warnings == ("web.yaml:1: kind Deploymnt of apps/v1 is left alone. Did you mean Deployment?",)


def test_a_metric_that_nothing_measures_is_warned_about_before_its_first_check() -> None:
    named = [CanaryMetric(name="request-sucess-rate"), CanaryMetric(name="request-duration"), CanaryMetric(name="own", query="up")]
    assert list(unmeasured(named)) == [
        "metric request-sucess-rate is not built in and has neither query nor templateRef, so each of its checks fails: "
        "did you mean request-success-rate?"
    ]

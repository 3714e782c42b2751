"""Content that breaks its rules is refused before anybody sees it, and what is doubtful is told once."""

import json
from collections.abc import Callable
from dataclasses import replace

from trimtab.adapters.kubernetes.rollouts import rollout_object
from trimtab.model.content import ContentRules, KeySchema, Severity
from trimtab.model.names import CanaryKey, ConfigKind
from trimtab.model.revision import Revision
from trimtab.model.rollout import Outcome, Phase
from trimtab.model.tellings import TellingKind
from trimtab.testing.memory import Memory
from trimtab.testing.policies import BASE
from trimtab.testing.story import Story
from trimtab.testing.world import World

POOL = json.dumps({"properties": {"pool": {"type": "integer", "maximum": 100}}})
SCHEMA = KeySchema(ConfigKind.CONFIG_MAP, "app-config", "app.yaml", POOL, "spec.validation.schemas[0] of the RolloutPolicy")
RULES = ContentRules(schemas=(SCHEMA,), spoken=True)
Tell = Callable[..., Story]


def events(story: Story) -> list[tuple[str, str]]:
    """What was told as an event, in order."""
    told = {telling.id: telling for state in story.states for telling in state.to_tell}
    return [(telling.reason, telling.text) for telling in told.values() if telling.kind is TellingKind.EVENT]


def edited(story: Story, text: str) -> None:
    """A change of the source, and all that follows from it."""
    story.memory.world.edit(**{"app.yaml": text})
    story.until_settled()


def test_a_value_that_breaks_its_schema_is_refused_with_key_and_fix_and_a_corrected_one_rolls_out(told: Tell) -> None:
    story = told(content=RULES)
    edited(story, "pool: 10\n")
    edited(story, "pool: 500\n")
    run = story.state.rollout
    assert run is not None and (run.outcome, story.state.phase) == (Outcome.REFUSED, Phase.FAILED)
    (text,) = [text for reason, text in events(story) if reason == "Refused"]
    assert "configmap/app-config[app.yaml]: does not fit its JSON Schema at pool: it is 500, and must be at most 100" in text
    assert "Correct it, or the schema in spec.validation.schemas[0] of the RolloutPolicy." in text
    assert not any(state.rollout is run and state.rollout.began for state in story.states)
    edited(story, "pool: 50\n")
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.PROMOTED


def test_a_change_by_too_large_a_factor_is_refused_where_the_policy_says_so(told: Tell) -> None:
    story = told(content=ContentRules(severities=(("content/factor", Severity.ERROR),)))
    edited(story, "pool: 10\n")
    edited(story, "pool: 1000\n")
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.REFUSED


def test_the_record_of_a_change_of_very_many_keys_and_values_stays_small_and_says_how_many_there_are(told: Tell) -> None:
    story = told(content=ContentRules(severities=(("content/deleted", Severity.ERROR),)))
    world = story.memory.world
    flags = {f"feature-{number}": {"share": number + 1, "owner": "x" * 60} for number in range(1500)}
    world.edit(**{"flags.json": json.dumps(flags)}, **{f"key-{number}-{'x' * 150}": "on" for number in range(1500)})
    story.until_settled()
    world.data = {"flags.json": json.dumps({name: {"share": 0, "owner": "y" * 60} for name in flags})}
    story.until_settled()
    run = story.state.rollout
    assert run is not None and run.outcome is Outcome.REFUSED
    assert len(json.dumps(rollout_object(story.state, (), {}, {}))) < 400_000
    assert run.changes[-1] == "and 4301 more changes" and len(run.findings) == 201
    assert "and 1301 more findings" in str(run.findings[-1]) and run.findings[-1].severity is Severity.ERROR
    assert run.why.endswith("; and 191 more")


def test_a_warning_is_told_once_and_keeps_nothing_from_rolling_out(told: Tell) -> None:
    story = told(content=RULES)
    edited(story, "pool: 1\n")
    edited(story, "pool: 90\n")
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.PROMOTED
    warnings = [text for reason, text in events(story) if reason == "ContentWarning" and "1 -> 90" in text]
    assert len(warnings) == 1 and "pool: 90 times as much: 1 -> 90 (content/factor)" in warnings[0]


def test_without_rules_of_its_own_a_canary_tells_warnings_in_the_journal_alone(told: Tell) -> None:
    story = told()
    edited(story, "pool: 1\n")
    edited(story, "pool: 90\n")
    assert not [text for reason, text in events(story) if reason == "ContentWarning"]
    assert [entry.reason for entry in story.memory.store.entries[story.state.key]].count("ContentWarning") == 1


def test_an_attempt_goes_by_the_rules_of_the_policy_that_it_pins(told: Tell) -> None:
    story = told()
    edited(story, "pool: 10\n")
    story.memory.world.policy = replace(story.memory.world.policy, content=RULES)
    edited(story, "pool: 500\n")
    run = story.state.rollout
    assert run is not None and run.outcome is Outcome.REFUSED and run.policy.content == RULES


class Needing(World):
    """Pods need a key of the ConfigMap, and a Secret that nobody tracks."""

    def revision(self) -> Revision:
        made = super().revision()
        env = [{"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "app-config", "key": "level"}}}]
        container = {"image": self.image, "env": env, "envFrom": [{"secretRef": {"name": "untracked"}}]}
        template = json.dumps({"spec": {"containers": [{"name": "web", **container}]}})
        found = Revision.of(template, made.fingerprint, made.configs)
        self.archive.setdefault(found.id, self.contents())
        return found


def test_a_change_that_takes_away_a_key_that_pods_need_is_refused_and_with_the_key_it_rolls_out() -> None:
    story = Story(Memory(Needing(CanaryKey("test", "app"), replace(BASE, weights=(20,)), data={"level": "info", "color": "red"})))
    world = story.memory.world
    story.until_settled()
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.PROMOTED
    world.data = {"color": "blue"}
    story.until_settled()
    run = story.state.rollout
    assert run.outcome is Outcome.REFUSED and run.began is None
    (error,) = [finding for finding in run.findings if finding.severity is Severity.ERROR]
    assert str(error).startswith("configmap/app-config[level]: the key does not exist; read by containers[web].env[LEVEL]")
    world.data = {"level": "info", "color": "blue"}
    story.until_settled()
    assert story.state.rollout.outcome is Outcome.PROMOTED

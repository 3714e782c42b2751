"""RolloutCommand objects: what people wish, and what became of it (R5). Pure; used by `store` and by the command line."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.kinds import ROLLOUT_COMMAND
from trimtab.adapters.kubernetes.rollouts import given
from trimtab.config.references import mapping
from trimtab.model.commands import Command, Verb
from trimtab.model.names import CanaryKey
from trimtab.model.rollout import Answer
from trimtab.rollout.wishes import REMEMBERED

ID = "trimtab.dev/command"
"""The annotation with the command's id, from which its name is made."""
LONGEST = 200


def command_name(key: CanaryKey, command: str) -> str:
    """The name of a command's object: the same id twice is one command."""
    return f"{key.name[:LONGEST]}-{re.sub('[^a-z0-9]', '-', command.lower())[:40].strip('-')}"


def command_object(key: CanaryKey, command: Command, owner: Object | None) -> Object:
    """The object by which a person wishes."""
    return {
        "apiVersion": ROLLOUT_COMMAND.api_version,
        "kind": ROLLOUT_COMMAND.kind,
        "metadata": {
            "namespace": key.namespace,
            "name": command_name(key, command.id),
            "annotations": {ID: command.id},
            **({"ownerReferences": [owner]} if owner is not None else {}),
        },
        "spec": given(
            {
                "canary": key.name,
                "verb": command.verb.value,
                "actor": command.actor,
                "reason": command.reason,
                "at": command.at.isoformat(),
                "rollout": command.rollout,
                "gate": command.gate or None,
                "revision": command.revision or None,
                "skipAnalysis": command.skip_analysis or None,
            }
        ),
    }


def command_of(found: Mapping[str, object]) -> Command | None:
    """The wish in an object; None for one that is not understood, which the API server's schema keeps from being made."""
    spec, metadata = mapping(found.get("spec")), mapping(found.get("metadata"))
    rollout = spec.get("rollout")
    try:
        return Command(
            str(mapping(metadata.get("annotations")).get(ID) or metadata.get("name")),
            Verb(str(spec.get("verb"))),
            str(spec.get("actor", "")),
            str(spec.get("reason", "")),
            datetime.fromisoformat(str(spec.get("at"))),
            rollout if isinstance(rollout, int) else 0,
            str(spec.get("gate", "")),
            str(spec.get("revision", "")),
            spec.get("skipAnalysis") is True,
        )
    except ValueError:
        return None


def came(found: Mapping[str, object]) -> tuple[str, str, str]:
    """Commands sorted by this are in the order in which they came: by the API server's time, which has whole seconds, then by their own."""
    metadata = mapping(found.get("metadata"))
    return str(metadata.get("creationTimestamp")), str(mapping(found.get("spec")).get("at")), str(metadata.get("name"))


def next_wishes(found: Iterable[Object], handled: Sequence[Answer]) -> list[tuple[Object, Command]]:
    """The wishes that wait, each with its object, in the order in which they came; no more than there is room for in the record.

    The record keeps the newest answers only. One that could not be written into its object yet has to stay, or its wish would be obeyed
    again; wishes that would push it out wait until it is written.
    """
    open_ones = [(one, command) for one in found if answer_of(one) is None and (command := command_of(one)) is not None]
    ids, answers = {command.id for _, command in open_ones}, [answer.command for answer in handled]
    behind = next((len(answers) - place for place, answer in enumerate(answers) if answer in ids), 0)
    new = [(one, command) for one, command in open_ones if command.id not in answers]
    return sorted(new, key=lambda pair: came(pair[0]))[: REMEMBERED - behind]


def answer_of(found: Mapping[str, object]) -> Answer | None:
    """What became of it; None while it waits."""
    status, command = mapping(found.get("status")), command_of(found)
    text = status.get("answer")
    return Answer(command.id, text, status.get("done") is True) if isinstance(text, str) and command is not None else None


def answered(answer: Answer) -> Object:
    """The change that says what became of it."""
    return {"status": {"answer": answer.text, "done": answer.done}}

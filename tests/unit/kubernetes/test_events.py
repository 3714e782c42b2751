"""Events about a Canary."""

from datetime import UTC, datetime

from trimtab.adapters.kubernetes.events import LONGEST, event
from trimtab.model.names import CanaryKey
from trimtab.model.tellings import Telling, TellingKind

KEY = CanaryKey("test", "app")
CANARY: dict[str, object] = {"metadata": {"uid": "u-1", "resourceVersion": "7"}}


def telling(number: int = 1, text: str = "Advance app.test canary weight 20", severity: str = "info") -> Telling:
    moment = datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=UTC)
    return Telling(f"app.test/{number}", TellingKind.EVENT, moment, "Progressing", text, "Advanced", severity)


def test_ev1_an_event_says_what_happened_in_its_reason_and_keeps_flaggers_text() -> None:
    made = event(KEY, CANARY, telling())
    assert (made["reason"], made["message"], made["type"]) == ("Advanced", "Advance app.test canary weight 20", "Normal")
    assert made["firstTimestamp"] == "2026-01-02T03:04:05Z"
    assert event(KEY, CANARY, telling(severity="error"))["type"] == "Warning"


def test_the_same_telling_is_the_same_event_and_another_one_is_not() -> None:
    one, again, other = (event(KEY, CANARY, telling(number))["metadata"] for number in (1, 1, 2))
    assert one == again != other


def test_a_telling_of_another_object_of_the_same_name_is_another_event() -> None:
    other: dict[str, object] = {"metadata": {"uid": "u-2"}}
    assert event(KEY, CANARY, telling())["metadata"] != event(KEY, other, telling())["metadata"]


def test_a_long_text_is_cut_where_the_server_would_refuse_it() -> None:
    message = event(KEY, CANARY, telling(text="x" * 5000))["message"]
    assert isinstance(message, str) and len(message) == LONGEST and message.endswith("...")

"""What people read cannot be made to say something else by whoever writes values, names and keys."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.config.difference import Change, ChangeKind
from trimtab.promotion.evidence import Evidence, Figure, Run, Verdict, Window
from trimtab.promotion.text import (
    END,
    Story,
    body,
    cell,
    content_in,
    link,
    marker,
    merged_body,
    message,
    one_line,
    settled,
    title,
    trailers_of,
)

AT = datetime(2026, 1, 2, tzinfo=UTC)
CONTENT = f"sha256:{'a' * 64}"
HOSTILE = [
    "x\nTrimtab-Verdict: pass", "```\n/merge\n", "`````", END, "<!-- trimtab:begin shop/stable content=sha256:bbb evidence= -->",
    "</details><script>", "@everyone", "\x1b[31mred", "[a](http://evil)", "a|b|c", "\u202ereversed", "\r\n/approve",
]  # fmt: skip


def story(text: str = "x", changes: int = 1, figures: int = 1) -> Story:
    found = [Change("configmap/app", text, ChangeKind.CHANGED, text, text, text) for _ in range(changes)]
    shown = tuple(Figure(metric=text, judgement="pass", canary=text, stable=text, text=text) for _ in range(figures))
    proof = Evidence(
        app="shop", target="canary", commit="c" * 40, source={}, content=CONTENT, window=Window(began=AT, ended=AT),
        verdict=Verdict(judgement="pass", text=text, figures=shown), run=Run(id=text, url=f"http://ci/{text}"),
    )  # fmt: skip
    return Story("shop", "canary", "stable", CONTENT, "e" * 64, proof, found, [text])


@pytest.mark.parametrize("text", HOSTILE)
def test_a_body_is_ours_from_mark_to_mark_whatever_is_in_it(text: str) -> None:
    made = body(story(text), "How.", 65_536)
    assert made.startswith(marker(story())) and made.endswith(END)
    assert made.count("<!-- trimtab:begin") == 1 and made.count(END) == 1
    assert content_in(made) == CONTENT
    assert not re.search(r"^\s*/(merge|approve)", made, re.MULTILINE)
    assert "\x1b" not in made and "\u202e" not in made and "<script>" not in made.replace("\\<", "").split("```")[0]
    assert merged_body(f"Mine.\n\n{made}\n\nToo.", made) == f"Mine.\n\n{made}\n\nToo."


@pytest.mark.parametrize("text", HOSTILE)
def test_a_fence_cannot_be_left(text: str) -> None:
    made = body(story(text), "How.", 65_536)
    fences = re.findall(r"^(`{3,})(?:text)?$", made, re.MULTILINE)
    longest = max(fences, key=len)
    inside = made.split(f"{longest}text\n")[1].split(f"\n{longest}\n")[0]
    assert longest not in inside and "trimtab:end" not in inside.replace("<! -- trimtab:end", "")


@pytest.mark.parametrize("text", HOSTILE)
def test_trailers_are_ours_alone(text: str) -> None:
    made = message(title(story(text)), story(text), {"Promotion": "shop/stable", "Reason": text})
    assert trailers_of(made)["Promotion"] == "shop/stable" and set(trailers_of(made)) == {"Promotion", "Reason"}
    assert "\n" not in title(story(text)) and len(title(story("y" * 500))) < 250


@given(st.integers(0, 3000), st.integers(0, 80), st.integers(0, 200))
def test_a_body_fits(changes: int, figures: int, length: int) -> None:
    made = body(story("w" * length, changes, figures), "How.", 65_536)
    assert len(made) <= 65_536 and made.endswith(END)


@given(st.text(max_size=50), st.text(max_size=50))
def test_what_people_write_around_our_part_stays(before: str, behind: str) -> None:
    first, second = body(story("one"), "How.", 65_536), body(story("two"), "How.", 65_536)
    whole = merged_body(f"{before}{first}{behind}", second)
    assert whole == f"{before}{second}{behind}"
    assert content_in(settled(whole)) == "-"


def test_trailers_are_found_behind_other_text() -> None:
    text = "Squashed (#1)\n\n* Promote\n\nTrimtab-Promotion: shop/stable\nTrimtab-Verdict: pass\n\nCo-authored-by: A <a@b>\n"
    assert trailers_of(text) == {"Promotion": "shop/stable", "Verdict": "pass"}


def test_only_web_addresses_are_links() -> None:
    assert link("https://ci.example.org/run/1?a=b#c") and not link("javascript:alert(1)") and not link("http://a) [b](http://c")
    assert "\n" not in one_line("a\nb") and cell("a|b") == "a\\|b"

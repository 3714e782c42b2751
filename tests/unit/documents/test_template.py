"""Go text templates, as far as metric queries need them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.documents.template import collapse_whitespace, parse, render
from trimtab.errors import InputError

FUNCTIONS: dict[str, object] = {
    "name": "app",
    "namespace": "test",
    "target": "app",
    "service": "app",
    "ingress": "app",
    "route": "app",
    "interval": "1m",
    "variables": {"direction": "inbound", "code": "5.*", "empty": ""},
    "numbers": [3, 1, 2],
    "nothing": [],
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ('up{ns="{{ namespace }}"}[{{interval}}]', 'up{ns="test"}[1m]'),
        ("{{ variables.direction }}", "inbound"),
        ('{{ index variables "code" }}', "5.*"),
        ('{{ index variables "missing" }}|', "|"),
        ('{{ or (index variables "missing") "default" }}', "default"),
        ('{{ with index variables "code" }}{{ . }}{{ else }}none{{ end }}', "5.*"),
        ('{{ with index variables "nope" }}{{ . }}{{ else }}none{{ end }}', "none"),
        ("{{ with variables }}{{ .code }}{{ end }}", "5.*"),
        ("{{ $x := name }}{{ $x }}", "app"),
        ('{{ $x := name }}{{ if true }}{{ $x = "b" }}{{ end }}{{ $x }}', "b"),
        ('{{ $x := name }}{{ if true }}{{ $x := "b" }}{{ $x }}{{ end }}{{ $x }}', "bapp"),
        ("{{ if $x := name }}{{ $x }}{{ end }}", "app"),
        ('{{ if eq name "app" }}yes{{ else }}no{{ end }}', "yes"),
        ('{{ if eq name "x" "app" }}yes{{ end }}', "yes"),
        ('{{ if ne name "app" }}a{{ else if eq namespace "test" }}b{{ else }}c{{ end }}', "b"),
        ('{{ if and (eq name "app") (not (eq namespace "x")) }}yes{{ end }}', "yes"),
        ("{{ if lt 1 2 }}a{{ end }}{{ if le 2 2 }}b{{ end }}{{ if gt 2 1 }}c{{ end }}{{ if ge 1 2 }}d{{ end }}", "abc"),
        ("{{ if lt 1.5 2.5 }}a{{ end }}{{ if lt `a` `b` }}b{{ end }}", "ab"),
        ("{{ and true name }} {{ and false name }} {{ or false 0 }} {{ or name false }}", "app false 0 app"),
        ("{{ or name variables.missing }}", "app"),
        ("{{ range numbers }}[{{ . }}]{{ end }}", "[3][1][2]"),
        ("{{ range $i, $n := numbers }}{{ $i }}={{ $n }} {{ end }}", "0=3 1=1 2=2 "),
        ("{{ range $n := numbers }}{{ $n }}{{ end }}", "312"),
        ("{{ range nothing }}x{{ else }}empty{{ end }}", "empty"),
        ("{{ range $k, $v := variables }}{{ $k }}={{ $v }};{{ end }}", "code=5.*;direction=inbound;empty=;"),
        ("{{ range numbers }}{{ if eq . 1 }}one{{ end }}{{ end }}", "one"),
        ('{{ printf "%s-%d" name 5 }}', "app-5"),
        ('{{ name | printf "%s-%s" namespace }}', "test-app"),
        ('{{ printf "%q %v %5.2f|%-4s|%04d|%x|%t|%%" name 1.5 2.345 "ab" 7 255 true }}', '"app" 1.5  2.35|ab  |0007|ff|true|%'),
        ('{{ printf "%g %v %e" 1000000.0 0.00001 1.0 }}', "1e+06 1e-05 1.000000e+00"),
        ('{{ printf "%+v|%+d|% d|%05s|%-6s|%.2s" 7 7 7 "ab" "ab" "abc" }}', "7|+7| 7|000ab|ab    |ab"),
        ("{{ len name }} {{ len numbers }} {{ index numbers 1 }}", "3 3 1"),
        ("{{ numbers }} {{ variables }}", "[3 1 2] map[code:5.* direction:inbound empty:]"),
        ("{{ 012 }} {{ 0x1f }} {{ -3 }} {{ 1.50 }} {{ true }}", "10 31 -3 1.5 true"),
        ("a\n  {{- name -}}  \n b", "aappb"),
        ("a {{- /* gone */ -}} b", "ab"),
        ("a {{/* }} */}} b", "a  b"),
        ("{{`{{ raw }}`}}", "{{ raw }}"),
        (r'{{ "a\t\"b\" é\x41\101" }}', 'a\t"b" éAA'),
        ('{{ (index variables "code") }}', "5.*"),
        ("{{ (variables).code }}", "5.*"),
        ("{{ . }}", "<no value>"),
        ("{{ name | len }}", "3"),
        ("}} is text", "}} is text"),
        ("{{ 3 -}} x", "3x"),
        ("{{- 3 }}", "3"),
        ("{{-3 }}", "-3"),
    ],
)
def test_templates_render_as_in_go(template: str, expected: str) -> None:
    assert render(template, FUNCTIONS) == expected


@pytest.mark.parametrize(
    ("template", "line", "words"),
    [
        ("\n{{ variables.missing }}", 2, "no entry missing; it has code, direction, empty"),
        ("{{ name.x }}", 1, "no field x"),
        ("{{ .x }}", 1, "no field x"),
        ("a\nb{{ nope }}", 2, "no function nope"),
        ("{{ html name }}", 1, "no function html"),
        ('{{ define "x" }}{{ end }}', 1, "define"),
        ('{{ template "x" }}', 1, "template"),
        ('{{ block "x" . }}{{ end }}', 1, "block"),
        ("{{ range numbers }}\n{{ break }}{{ end }}", 2, "break"),
        ("{{ range 5 }}{{ end }}", 1, "lists and maps"),
        ("{{ range $i = numbers }}{{ end }}", 1, "range with ="),
        ("{{ if true }}", 1, "end"),
        ("{{ if true }}a{{ else }}b{{ else }}c{{ end }}", 1, "second"),
        ("{{ end }}", 1, "without"),
        ("{{ else }}", 1, "without"),
        ("{{ $x }}", 1, r"\$x is not declared"),
        ("{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}", 1, r"\$x is not declared"),
        ("{{ $x = 1 }}", 1, r"\$x is not declared"),
        ("{{ name", 1, "not closed"),
        ('{{ "open }}', 1, "cannot stand here"),
        ("{{ 'c' }}", 1, "cannot stand here"),
        ("{{ }}", 1, "a value is missing"),
        ("{{ name | }}", 1, "a value is missing"),
        ("{{ name | 5 }}", 1, "only a function"),
        ("{{ 5 name }}", 1, "only a function"),
        ("{{ name 5 }}", 1, "takes no arguments"),
        ("{{ (name }}", 1, "not closed"),
        ("{{ name ) }}", 1, "cannot stand here"),
        ("{{ eq 1 1.0 }}", 1, "cannot be compared"),
        ("{{ eq 1 }}", 1, "does not take 1"),
        ("{{ lt variables 1 }}", 1, "cannot be compared"),
        ("{{ not }}", 1, "needs values|does not take 0"),
        ("{{ and }}", 1, "need"),
        ("{{ index numbers 9 }}", 1, "out of range"),
        ("{{ index name 0 }}", 1, "cannot take"),
        ('{{ printf "%d" name }}', 1, "cannot write a string"),
        ('{{ printf "%d" }}', 1, "no value"),
        ('{{ printf "x" 1 }}', 1, "more values"),
        ('{{ printf "%999999d" 1 }}', 1, "places"),
        ('{{ printf "%w" 1 }}', 1, "does not know"),
        (r'{{ "\z" }}', 1, "escape"),
        ("{{ " + "(" * 60 + "1" + ")" * 60 + " }}", 1, "nested"),
        ("{{ name }\n}", 1, "cannot stand here"),
    ],
)
def test_what_is_not_supported_is_named_with_its_line(template: str, line: int, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        render(template, FUNCTIONS)
    assert str(caught.value).startswith(f"line {line} of the template: ")


def test_a_template_that_would_run_for_ever_ends_in_an_error() -> None:
    inner = "{{ range numbers }}" * 20 + "x" + "{{ end }}" * 20
    with pytest.raises(InputError, match="steps"):
        render(inner, FUNCTIONS)


def test_parsing_finds_unknown_functions_without_values() -> None:
    assert parse("{{ name }} {{ variables.x }}").nodes
    with pytest.raises(InputError, match=r"no function nome; known are .*name"):
        parse("{{ nome }}")


def test_whitespace_collapses_to_single_spaces_and_stays_at_the_ends() -> None:
    assert collapse_whitespace("\n  sum(\n\t rate(x)\r\n)\n") == " sum( rate(x) ) "


QUERY = """sum(
  rate(errors{namespace="{{ namespace }}", workload="{{ target }}", canary="{{ name }}",
    service="{{ service }}", ingress="{{ ingress }}", direction="{{ variables.direction }}",
    code=~"{{ variables.code }}"}[{{ interval }}])
)
"""


def test_a_metric_template_renders_to_the_query_that_flagger_was_recorded_to_send() -> None:
    assert collapse_whitespace(render(QUERY, {**FUNCTIONS, "interval": "2m"})) == (
        'sum( rate(errors{namespace="test", workload="app", canary="app", service="app", ingress="app", '
        'direction="inbound", code=~"5.*"}[2m]) ) '
    )


@given(st.text())
def test_text_without_actions_is_copied(text: str) -> None:
    assert render(text.replace("{{", ""), {}) == text.replace("{{", "")


PIECES = [
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    "if",
    "range",
    "end",
    "else",
    "name",
    "numbers",
    "$x",
    ":=",
    "=",
    "|",
    "(",
    ")",
    ".a",
    '"s"',
    "1",
    "\n",
    "eq",
    "or",
]


@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_any_template_renders_or_is_an_input_error(pieces: list[str]) -> None:
    with contextlib.suppress(InputError):
        render("".join(pieces), FUNCTIONS)

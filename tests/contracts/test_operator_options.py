"""What `trimtab operator` makes of its flags and of the environment (flagger.md 9.1)."""

import click
import pytest

from trimtab.faces.cli.operator import operator_command, options_of
from trimtab.wiring.cluster import Chat, OperatorOptions


def made(*words: str, **environment: str) -> OperatorOptions:
    given = operator_command.make_context("operator", list(words)).params
    return options_of({name: value for name, value in given.items() if name != "print_manifests"}, environment)


def test_flaggers_variables_win_over_its_flags() -> None:
    flags = ("-slack-url=http://flag", "-slack-token=flag", "-msteams-url=http://flag", "-event-webhook=http://flag")
    options = made(
        *flags,
        SLACK_URL="http://slack", SLACK_TOKEN="opensesame", SLACK_PROXY_URL="http://proxy",
        MSTEAMS_URL="http://teams", MSTEAMS_PROXY_URL="http://other", EVENT_WEBHOOK_URL="http://events",
    )  # fmt: skip
    assert options.chats == (
        Chat("slack", "http://slack", proxy="http://proxy", token="opensesame"), Chat("teams", "http://teams", proxy="http://other"),
    )  # fmt: skip
    assert options.event_webhook == "http://events"
    assert made(*flags).chats[0] == Chat("slack", "http://flag", token="flag")


def test_a_token_is_in_no_text_about_the_options() -> None:
    assert "opensesame" not in repr(made("-slack-url=http://slack", "-slack-token=opensesame"))


def test_the_line_of_flagger_with_every_flag_is_taken() -> None:
    line = (
        "-kubeconfig-qps=100 -kubeconfig-burst=250 -metrics-server=http://prometheus:9090 -control-loop-interval=10s -log-level=info "
        "-port=8080 -slack-user=flagger -slack-channel=general -threadiness=2 -zap-replace-globals=false -zap-encoding=json "
        "-mesh-provider=istio -selector-labels=app,name -ingress-annotations-prefix=nginx.ingress.kubernetes.io -ingress-class=nginx "
        "-enable-leader-election=true -leader-election-namespace=flagger-system -enable-config-tracking=true -cluster-name=blue "
        "-no-cross-namespace-refs=false -namespace="
    )
    options = made(*line.split())
    assert (options.elect, options.settings.home, options.settings.cluster_name) == (True, "flagger-system", "blue")


def test_of_flaggers_quirks_only_those_can_be_had_that_there_are() -> None:
    assert made("-flagger-quirks=10, 18").settings.quirks == {10, 18}
    assert made().settings.quirks == set()
    with pytest.raises(click.BadParameter, match="write 10, 18 or both"):
        made("-flagger-quirks=10,12")


@pytest.mark.parametrize("word", ["-master=x", "--master=x", "-kubeconfig-service-mesh=/tmp/other", "-version"])
def test_a_flag_of_flaggers_that_is_not_taken_is_refused_by_its_whole_name(word: str) -> None:
    name = word.lstrip("-").partition("=")[0]
    with pytest.raises(click.UsageError, match=f"flag -{name} is not taken: "):
        made(word)

"""`trimtab operator`: rollouts in a cluster, with Flagger's flags. Loaded by `main` when called."""

import asyncio
import os
import socket
import sys
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import click
from click.core import ParameterSource

from trimtab.faces.cli.options import duration
from trimtab.faces.exposition import Exposition
from trimtab.faces.manifests import manifests
from trimtab.faces.operator import LEVELS, Log, Operating, operate
from trimtab.wiring.cluster import Chat, OperatorOptions, Settings

HERE_ONLY = frozenset({"print_manifests", "kubeconfig", "context"})
"""Flags that a pod has no use for."""
F = TypeVar("F", bound=Callable[..., object])

FROM_ENVIRONMENT = ("slack_url", "slack_token", "slack_proxy_url", "msteams_url", "msteams_proxy_url")
"""Flags that a variable of the same name wins over."""
MEANINGLESS = {
    "control-loop-interval": "nothing is polled: a change wakes its canary",
    "kubeconfig-qps": "nothing is asked while nothing happens",
    "kubeconfig-burst": "nothing is asked while nothing happens",
    "threadiness": "one process does all",
    "ingress-class": "no router that works here makes objects of an ingress class",
    "zap-encoding": "logs are JSON lines",
    "zap-replace-globals": "logs are JSON lines",
}
"""Flags of Flagger's that are taken, so that its command lines go on working, but change nothing, and why."""
REFUSED = {
    "master": "name the API server in the kubeconfig (-kubeconfig, -context)",
    "kubeconfig-service-mesh": "routes are written in the cluster of the Canaries",
    "version": "call `trimtab --version`",
}
"""Flags of Flagger's that are not taken, because without what they ask for something else would be done, and what to do."""


def flag(name: str, help_text: str, default: str = "", **rest: object) -> Callable[[F], F]:
    """A flag with one dash, as Flagger's are written, or with two."""
    shown = bool(default)
    return click.option(f"-{name}", f"--{name}", name.replace("-", "_"), default=default, help=help_text, show_default=shown, **rest)  # type: ignore[arg-type]


def meaningless(command: F) -> F:
    """Adds the flags that change nothing; they are not shown in `--help`."""
    for name in MEANINGLESS:
        command = click.option(f"-{name}", f"--{name}", name.replace("-", "_"), default="", hidden=True)(command)
    return command


def refused(command: F) -> F:
    """Refuses by their whole names the flags that are not taken; click would take their first letter for the flag."""
    for name in REFUSED:
        command = click.option(
            f"-{name}", f"--{name}", is_flag=False, flag_value="true", hidden=True, expose_value=False, callback=refuse
        )(command)  # fmt: skip
    return command


def refuse(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """UsageError where the flag was given."""
    if value is not None:
        flag_name = parameter.opts[0].lstrip("-")
        raise click.UsageError(f"Flagger's flag -{flag_name} is not taken: {REFUSED[flag_name]}.", context)


@click.command("operator")
@flag("kubeconfig", "The kubeconfig; without it KUBECONFIG, ~/.kube/config, or the pod's own ServiceAccount.")
@flag("context", "The context of the kubeconfig.")
@flag("namespace", "Where Canaries are looked after; several with commas.  [default: everywhere]")
@flag("mesh-provider", "The provider of Canaries that name none.", "istio")
@flag("metrics-server", "The Prometheus for built-in and inline queries.", "http://prometheus:9090")
@flag("minimum-interval", "What a shorter analysis.interval is raised to.", "10s", callback=duration)
@flag(
    "selector-labels",
    "Labels that tell the pods of primary and canary apart: the first that the target selects by.",
    "app,name,app.kubernetes.io/name",
)
@flag("include-label-prefix", "Labels with one of these prefixes are copied to what is made; * for all.")
@flag("ingress-annotations-prefix", "The prefix of the annotations of NGINX.", "nginx.ingress.kubernetes.io")
@flag(
    "enable-config-tracking",
    "false: ConfigMaps and Secrets start nothing, and primary and canary share them.",
    "true",
    type=click.BOOL,
    flag_value="true",
    is_flag=False,
)
@flag("no-cross-namespace-refs", "true: refuse references to other namespaces.", "false", type=click.BOOL, flag_value="true", is_flag=False)
@flag(
    "flagger-quirks",
    "Quirks of Flagger's that are wanted: 10, alerts without severity are not sent; 18, webhooks that answer 203 to 299 fail; with commas.",
    callback=lambda context, parameter, value: quirks(value),
)
@flag("cluster-name", "The name of the cluster, for alerts.")
@flag("event-webhook", "A URL that every event is sent to, unless a Canary has an event webhook of its own.")
@flag(
    "allowed-hosts",
    "The only hosts that webhooks, alerts and metric servers of documents may be at; several with commas, * for anything.  [default: all]",
)
@flag("slack-url", "A Slack webhook for alerts of Canaries that name no AlertProvider; better in the variable SLACK_URL.")
@flag("slack-channel", "Its channel.", "general")
@flag("slack-user", "Its user.", "flagger")
@flag("slack-token", "A token that is sent there as well; better in the variable SLACK_TOKEN.")
@flag("slack-proxy-url", "A proxy on the way there.")
@flag("msteams-url", "A Teams webhook for the same; better in the variable MSTEAMS_URL.")
@flag("msteams-proxy-url", "A proxy on the way there.")
@flag(
    "enable-leader-election",
    "false: act without a Lease; only where no second operator runs.",
    "true",
    type=click.BOOL,
    flag_value="true",
    is_flag=False,
)
@flag("leader-election-namespace", "The namespace of the Lease and of Secret trimtab-key.  [default: the pod's, or the context's]")
@flag("port", "Where /metrics, /healthz and /readyz are; 0 for nowhere.", "8080", type=click.IntRange(0, 65535))
@flag("log-level", "The least that is logged.", "info", type=click.Choice(LEVELS))
@click.option("--print-manifests", is_flag=True, help="Print what kubectl apply needs to run it in a cluster, with the other flags given.")
@meaningless
@refused
def operator_command(*, print_manifests: bool, **given: object) -> None:
    """Roll out every change of a target, a ConfigMap or a Secret in a cluster, for the Canaries that Flagger reads.

    It takes Flagger's flags and objects. Stop Flagger before it starts (scale its Deployment to 0); what differs is in docs/from-flagger.md
    of Trimtab's repository.

    \b
    Example:
      trimtab operator --mesh-provider gatewayapi:v1 --metrics-server http://prometheus:9090
      trimtab operator --mesh-provider nginx --print-manifests | kubectl apply -f -

    \b
    Ends with 0 after TERM or Ctrl-C, 2 if something about the call or the kubeconfig is wrong, 6 if the lease was lost.
    """
    if print_manifests:
        click.echo(manifests(written(click.get_current_context())), nl=False)
        return
    log = Log(click.echo, lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z", str(given["log_level"]))  # noqa: TID251
    for name, why in MEANINGLESS.items():
        if given[name.replace("-", "_")]:
            log.line("info", f"flag -{name} changes nothing here: {why}")
    options, port = options_of(given, os.environ), given["port"]
    assert isinstance(port, int)
    operating = Operating(log, Exposition(options.settings.provider))
    sys.exit(asyncio.run(operate(options, operating, port)))


def options_of(given: Mapping[str, object], environment: Mapping[str, str]) -> OperatorOptions:
    """The flags as `wiring` takes them; like Flagger's, variables with addresses win over flags."""
    text = {name: str(value) for name, value in given.items()}
    said = {name: environment.get(name.upper(), text[name]) for name in FROM_ENVIRONMENT}
    interval = given["minimum_interval"]
    settings = Settings(
        home=text["leader_election_namespace"],
        provider=text["mesh_provider"],
        selector_labels=words(text["selector_labels"]),
        include_label_prefix=words(text["include_label_prefix"]),
        ingress_annotations_prefix=text["ingress_annotations_prefix"],
        config_tracking=bool(given["enable_config_tracking"]),
        namespaces=words(text["namespace"]),
        cluster_name=text["cluster_name"],
        no_cross_namespace_refs=bool(given["no_cross_namespace_refs"]),
        quirks=frozenset(int(number) for number in words(text["flagger_quirks"])),
        minimum_interval=interval if isinstance(interval, timedelta) else Settings().minimum_interval,
    )
    chats = (
        Chat(
            "slack", said["slack_url"], text["slack_channel"], text["slack_user"], said["slack_proxy_url"], said["slack_token"],
        ),
        Chat("teams", said["msteams_url"], proxy=said["msteams_proxy_url"]),
    )  # fmt: skip
    return OperatorOptions(
        settings=settings,
        kubeconfig=text["kubeconfig"],
        context=text["context"],
        metrics_server=text["metrics_server"],
        event_webhook=environment.get("EVENT_WEBHOOK_URL", text["event_webhook"]),
        chats=tuple(chat for chat in chats if chat.address),
        allowed_hosts=words(text["allowed_hosts"]),
        elect=bool(given["enable_leader_election"]),
        identity=f"{socket.gethostname()}_{uuid.uuid4()}",
    )


def written(context: click.Context) -> list[str]:
    """The flags of this call that make sense in a pod, as they would be written again."""
    named = {name: context.params[name] for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    return [f"--{name.replace('_', '-')}={flag_text(value)}" for name, value in named.items() if name not in HERE_ONLY]


def flag_text(value: object) -> str:
    """A value as a flag has it."""
    if isinstance(value, timedelta):
        return f"{round(value.total_seconds() * 1000)}ms"
    return str(value).lower() if isinstance(value, bool) else str(value)


def quirks(text: str) -> str:
    """The numbers of quirks that can be had. BadParameter for others."""
    if unknown := [word for word in words(text) if word not in ("10", "18")]:
        raise click.BadParameter(f"{', '.join(unknown)} cannot be had: write 10, 18 or both")
    return text


def words(text: str) -> tuple[str, ...]:
    """A list with commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())

"""`trimtab up`, `down` and `demo`: one machine, without a cluster. Loaded by `main` when one of them is called."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import click
import msgspec

from trimtab.documents.yaml import read_yaml
from trimtab.errors import InputError, Unavailable
from trimtab.faces.cli.options import duration
from trimtab.faces.exits import INTERRUPTED
from trimtab.faces.up import Running, show_addresses, signals, until_settled, up
from trimtab.wiring import local
from trimtab.wiring import state as state_of
from trimtab.wiring.local import Machine, UpOptions

PATIENCE = 60.0
"""Seconds that `down` waits for a running `up` to end."""

SHORTEST_POLL = 0.1
"""Seconds; with less, looking at the repository would leave no time for anything else."""


def images(file: Path | None) -> dict[str, list[str]]:
    """What to run for images that are named without a command: a YAML file of `IMAGE: [program, argument]`."""
    if file is None:
        return {}
    try:
        documents = read_yaml(file.read_text(), str(file))
        return msgspec.convert(documents[0].value if documents else {}, dict[str, list[str]])
    except OSError as problem:
        raise InputError(f"{file}: cannot be read: {problem.strerror}. Name another file with --images") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8 text. Save the file as UTF-8") from None
    except msgspec.ValidationError as problem:
        raise InputError(f"{file}: {problem}. Write one line for each image: `IMAGE: [program, argument]`") from None


@click.command("up")
@click.argument("repo")
@click.option("--path", default="", help="The folder of the repository that holds the manifests, a kustomization or a chart.")
@click.option("--target", metavar="APP/TARGET", default="", help="What to run, as the trimtab.yaml in the folder or above it says.")
@click.option("--branch", default="", help="The branch to follow; without it, the one that the repository has checked out.")
@click.option(
    "--state", type=click.Path(path_type=Path), help="Where records, pods and the clone live.  [default: ./.trimtab, or TRIMTAB_STATE]"
)
@click.option("--keep", is_flag=True, help="Leave the pods running at the end; `trimtab down` stops them.")
@click.option("--once", is_flag=True, help="End when everything is settled for the newest commit.")
@click.option("--prune", is_flag=True, help="Stop what the repository does not have any more.")
@click.option("--images", "images_file", type=click.Path(path_type=Path), help="What to run for images without a command.")
@click.option(
    "--poll",
    type=click.FloatRange(min=SHORTEST_POLL),
    help="Seconds between two looks at the repository.  [default: 1 for a path, 30 for a URL]",
)
@click.option(
    "--minimum-interval", default="10s", callback=duration, help="What a shorter analysis.interval is raised to.", show_default=True
)
@click.option("--metrics-server", default="", help="A Prometheus for built-in and inline queries, instead of Envoy's own counters.")
@click.option("--event-webhook", default="", help="A URL that every event is sent to, unless a Canary has an event webhook of its own.")
@click.option("--metrics-address", default="", help="HOST:PORT at which /metrics has what Flagger's has, for a Prometheus to scrape.")
def up_command(**given: object) -> None:
    """Follow REPO, a git repository or a plain folder of Kubernetes YAML, and run it on this machine.

    Deployments run as processes, Services are listened for by an Envoy in front of them, and every change of a ConfigMap, a Secret
    or a Deployment that a Canary is about goes through canary, verdict, promotion or rollback. Of a git repository each commit is
    rendered by kustomize or helm where the folder is a kustomization or a chart; nothing is fetched for that.

    \b
    Example:
      trimtab up ./shop --path deploy --minimum-interval 5s
      trimtab up ./shop --target shop/canary
      trimtab watch            (in another terminal)

    \b
    Ends with 0 after Ctrl-C; 2 if the repository or a document is wrong. With --once: 0 if everything was promoted,
    1 if something was refused or rolled back, 4 if a person is waited for.
    """
    sys.exit(asyncio.run(run_up(given)))


async def run_up(given: dict[str, object]) -> int:
    """Runs `up` with what click was given."""
    options = options_of(given)
    running = Running(click.echo)
    where = "".join(f", {name} {value}" for name, value in (("path", options.path), ("target", options.target)) if value)
    click.echo(f"in {options.source}{where}, state in {options.state}")

    async def work(made: Machine) -> int:
        return await until_settled(made, running)

    with signals(running):
        return await up(options, running, work if given["once"] else None, partial(leave, running, keep=bool(given["keep"])))


async def leave(running: Running, made: Machine, *, keep: bool) -> None:
    """Stops the pods, or says that they stay."""
    if keep:
        show_addresses(made, running)
        running.report("pods and Envoy go on; `trimtab down` stops them")
        return
    running.report("stopping the pods; Ctrl-C once more leaves them running")
    await made.stop()


def options_of(given: dict[str, object]) -> UpOptions:
    """The options as `wiring` takes them."""
    text = {name: str(given[name]) for name in ("path", "target", "branch", "metrics_server", "event_webhook", "metrics_address")}
    poll, state, file, interval = given["poll"], given["state"], given["images_file"], given["minimum_interval"]
    assert isinstance(interval, timedelta)
    return UpOptions(
        source=str(given["repo"]),
        state=state_of.state_folder(state if isinstance(state, Path) else None),
        poll=poll if isinstance(poll, float) else None,
        minimum_interval=interval,
        prune=bool(given["prune"]),
        images=images(file if isinstance(file, Path) else None),
        **text,
    )


@click.command("down")
@click.option("--state", type=click.Path(path_type=Path), help="The state folder.  [default: ./.trimtab, or TRIMTAB_STATE]")
def down_command(state: Path | None) -> None:
    """Stop what `up` runs, or has left running.

    Requests that are under way are answered first. Records and history stay.

    \b
    Example:
      trimtab down --state ./.trimtab
    """
    folder = state_of.state_folder(state)
    click.echo(f"in local state {folder}", err=True)
    if not folder.is_dir():
        click.echo("nothing runs here: there is no such folder")
        return
    end_running(folder)
    count = asyncio.run(local.stop_leftovers(folder, click.echo))
    click.echo(f"stopped; {count} pods were left" if count else "stopped")


def end_running(folder: Path) -> None:
    """Asks a running `up` to end and waits for it."""
    process = state_of.running_process(folder)
    if process is None:
        return
    os.kill(process, signal.SIGTERM)
    end = time.monotonic() + PATIENCE
    while state_of.running_process(folder) is not None:
        if time.monotonic() > end:
            raise Unavailable(f"process {process} was asked to end {PATIENCE:g} s ago and still runs on {folder}; look at what it says")
        time.sleep(0.1)  # noqa: TID251  # no event loop runs yet


@click.command("demo")
@click.option("--keep", is_flag=True, help="Leave everything running at the end.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where the demo's repository and state go.  [default: a new temporary folder]"
)
def demo_command(keep: bool, folder: Path | None) -> None:
    """Show it: a small web service, steady load, and four changes of its configuration.

    A good change is promoted, one that breaks 10 % of the canary's requests is rolled back because the primary does better at
    the same time, one that does not parse is refused, and a new Secret is promoted. No cluster and no network are needed; it takes
    about half a minute.

    \b
    Example:
      trimtab demo

    \b
    Ends with 0 only if all four ended as they should.
    """
    sys.exit(asyncio.run(run_demo(keep, folder)))


async def run_demo(keep: bool, folder: Path | None) -> int:
    """Plays the demo and says how to look further."""
    from trimtab.faces.demo.play import options, play
    from trimtab.faces.demo.repository import Repository

    place = (folder or Path(tempfile.mkdtemp(prefix="trimtab-demo-"))).absolute()
    repository, running = Repository(place / "repository"), Running(click.echo)
    repository.create()
    click.echo(f"The demo's repository is {repository.folder}")

    async def work(made: Machine) -> int:
        code = await play(repository, running, made)
        await show_history(made)
        return code

    with signals(running):
        code = await up(options(place), running, work, partial(leave, running, keep=keep))
    if code != INTERRUPTED:
        look_further(place, keep)
    return code


async def show_history(made: Machine) -> None:
    """The history table, as `trimtab history` prints it."""
    from trimtab.faces.cli.tables import history_table

    for key in await made.store.keys():
        click.echo("")
        click.echo(history_table(await made.store.history(key)))


def look_further(place: Path, keep: bool) -> None:
    """What one can do next, with the program as it is called from here."""
    state, here = place / "state", Path(sys.prefix) / "bin" / "trimtab"
    program = "trimtab" if shutil.which("trimtab") or not here.exists() else os.path.relpath(here)
    click.echo("\nTo look further:")
    click.echo(f"  {program} history --state {state}")
    click.echo(f"  {program} show 3 --state {state}      what was rolled back, and by which figures")
    if keep:
        click.echo(f"  {program} watch --state {state}")
        click.echo(f"  {program} down --state {state}        stops it")

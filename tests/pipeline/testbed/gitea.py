"""A real Gitea on loopback, with an administrator, a bot and a reviewer, in about three seconds. `Hosted` is one repository there."""

import base64
import getpass
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.testbed.plane import free_ports
from cluster.testbed.process import Process
from pipeline.testbed.gitea_program import build

ADMIN, BOT, REVIEWER = "root-of-all", "trimtab-bot", "ann"
PASSWORD = "only-on-loopback"
START_LIMIT = 60.0
SCOPES = {
    ADMIN: ["all"],
    BOT: ["write:repository", "write:issue", "read:user", "read:organization"],
    REVIEWER: ["write:repository", "write:issue", "read:user"],
}
"""The bot's are those that docs/forges.md asks for."""
Raw = Any

CONFIGURATION = """
APP_NAME = forge of the tests
RUN_MODE = prod
RUN_USER = {user}
WORK_PATH = {folder}
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {static}
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
[security]
INSTALL_LOCK = true
PASSWORD_HASH_ALGO = pbkdf2$1$50
MIN_PASSWORD_LENGTH = 4
[webhook]
ALLOWED_HOST_LIST = loopback
[log]
MODE = console
LEVEL = warn
[actions]
ENABLED = false
[packages]
ENABLED = false
[cron.update_checker]
ENABLED = false
[service]
DISABLE_REGISTRATION = true
"""


class Refused(Exception):
    """Gitea said no; `status` is how."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


@dataclass
class Gitea:
    """The server. `tokens` are by login."""

    folder: Path
    address: str = ""
    tokens: dict[str, str] = field(default_factory=dict)
    process: Process | None = None
    made: int = 0

    def start(self) -> None:
        """Database, administrator, server, people."""
        static = build()
        (port,) = free_ports(1)
        self.address = f"http://127.0.0.1:{port}"
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "app.ini"
        configuration.write_text(CONFIGURATION.format(user=getpass.getuser(), folder=self.folder, port=port, static=static))
        program = [str(static / "gitea"), "--config", str(configuration)]
        self.once([*program, "migrate"])
        person = ["--username", ADMIN, "--password", PASSWORD, "--email", f"{ADMIN}@example.com", "--must-change-password=false"]
        self.once([*program, "admin", "user", "create", "--admin", *person])
        self.process = Process([*program, "web"], self.folder / "gitea.log", self.folder, self.environment())
        self.wait()
        for login in SCOPES:
            if login != ADMIN:
                body = {"username": login, "email": f"{login}@example.com", "password": PASSWORD, "must_change_password": False}
                self.ask("POST", "/admin/users", ADMIN, body)
            self.tokens[login] = self.ask("POST", f"/users/{login}/tokens", login, {"name": "tests", "scopes": SCOPES[login]})["sha1"]

    def environment(self) -> dict[str, str]:
        """Nothing of the machine's own git or Gitea."""
        kept = {name: os.environ[name] for name in ("PATH", "USER", "LANG") if name in os.environ}
        return {**kept, "HOME": str(self.folder), "GIT_CONFIG_SYSTEM": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def once(self, command: list[str]) -> None:
        """One step before the server runs."""
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment(), cwd=self.folder, timeout=120, check=False)
        if done.returncode:
            raise AssertionError(f"{command[3:6]} ended with {done.returncode}: {(done.stderr or done.stdout)[-500:]}")

    def wait(self) -> None:
        """Until it answers."""
        limit = time.monotonic() + START_LIMIT
        while True:
            try:
                with urllib.request.urlopen(f"{self.address}/api/healthz", timeout=5):
                    return
            except OSError:
                assert self.process is not None
                if self.process.ended is not None or time.monotonic() > limit:
                    raise AssertionError(f"Gitea does not answer: {self.process.last_lines(15)}") from None

    def stop(self) -> None:
        """Ends it."""
        if self.process is not None:
            self.process.stop()

    def ask(self, method: str, path: str, login: str, body: Raw = None) -> Raw:
        """One request in somebody's name. Refused for anything but a 2xx."""
        token = self.tokens.get(login)
        basic = base64.b64encode(f"{login}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"token {token}" if token else f"Basic {basic}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/api/v1{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace")) from None
        return json.loads(text) if text else None

    def repository(self, folder: Path, organisation: bool = False) -> "Hosted":
        """A new one with a commit on main, in which bot and reviewer may write; `folder` gets a clone for the people's commits."""
        self.made += 1
        owner, name = ADMIN, f"shop-{self.made}"
        if organisation:
            owner = f"acme-{self.made}"
            self.ask("POST", "/orgs", ADMIN, {"username": owner})
        body = {"name": name, "default_branch": "main", "auto_init": True}
        self.ask("POST", f"/orgs/{owner}/repos" if organisation else "/user/repos", ADMIN, body)
        for login in (BOT, REVIEWER):
            self.ask("PUT", f"/repos/{owner}/{name}/collaborators/{login}", ADMIN, {"permission": "write"})
        made = Hosted(self, f"{owner}/{name}", folder)
        made.begin()
        return made


@dataclass
class Hosted:
    """One repository, and what people do with it beside the product."""

    server: Gitea
    name: str
    folder: Path

    def url(self, login: str) -> str:
        """Where git goes in somebody's name; for tests only, the product keeps tokens out of addresses."""
        return f"{self.server.address.replace('//', f'//{login}:{self.server.tokens[login]}@')}/{self.name}.git"

    def git(self, *arguments: str, login: str = BOT) -> str:
        """Git in the clone, as somebody. Refused, with what git says, where it fails."""
        who = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", login), ("EMAIL", f"{login}@example.com"))
        }
        environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise Refused(done.returncode, done.stderr)
        return done.stdout.strip()

    def begin(self) -> None:
        """The first commit is Gitea's: a repository that is pushed to is taken for empty for a while, and then has no pull requests."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("pull", "--quiet", self.url(ADMIN), "main")

    def commit(self, path: str, text: str, *, login: str = BOT) -> str:
        """One file changed, on the branch that is checked out; the commit."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)
        self.git("add", "--all", login=login)
        self.git("commit", "--quiet", "--message", f"Change {path}", login=login)
        return self.git("rev-parse", "HEAD")

    def push(self, branch: str, *, login: str = BOT) -> None:
        """What is checked out, to a branch."""
        self.git("push", "--quiet", self.url(login), f"HEAD:refs/heads/{branch}", login=login)

    def ask(self, method: str, path: str, login: str, body: Raw = None) -> Raw:
        """One request about the repository."""
        return self.server.ask(method, f"/repos/{self.name}{path}", login, body)

    def protect(self, *checks: str, approvals: int = 1) -> None:
        """Nobody pushes to main; a merge needs approvals and good statuses."""
        rule = {
            "rule_name": "main", "enable_push": False, "required_approvals": approvals, "dismiss_stale_approvals": True,
            "enable_status_check": bool(checks), "status_check_contexts": list(checks), "block_admin_merge_override": True,
        }  # fmt: skip
        self.ask("POST", "/branch_protections", ADMIN, rule)

    def merge(self, number: int, commit: str, login: str = REVIEWER) -> None:
        """Somebody merges; "try again later" is no verdict, anything else is Refused."""
        limit = time.monotonic() + 30
        while True:
            try:
                self.ask("POST", f"/pulls/{number}/merge", login, {"Do": "merge", "head_commit_id": commit})
                return
            except Refused as error:
                if error.status != 405 or "try again later" not in str(error).lower() or time.monotonic() > limit:
                    raise


@contextmanager
def gitea_running(folder: Path) -> Iterator[Gitea]:
    """It runs until the block is left."""
    made = Gitea(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()

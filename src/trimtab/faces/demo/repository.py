"""The repository of the demo: ordinary Kubernetes YAML, and commits as people make them. Called by `demo.play`."""

import base64
import subprocess
import sys
from pathlib import Path

SERVICE = Path(__file__).with_name("service.py")
FIRST = "# settings of the web shop\ngreeting: hello\ntimeout_ms: 250\npool_size: 10\n"
GOOD = FIRST.replace("pool_size: 10", "pool_size: 20")
FIRST_TOKEN, SECOND_TOKEN = "first-token-of-the-demo", "second-token-of-the-demo"

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
spec:
  replicas: 2
  selector:
    matchLabels: {{app: shop}}
  template:
    metadata:
      labels: {{app: shop}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: shop
          image: example/shop:1.0.0
          command: ["{python}", "{service}", "/etc/shop/settings.yaml"]
          ports:
            - {{name: http, containerPort: 8080}}
          env:
            - name: API_TOKEN
              valueFrom: {{secretKeyRef: {{name: shop-token, key: token}}}}
          readinessProbe:
            httpGet: {{path: /ready, port: http}}
            periodSeconds: 1
          volumeMounts:
            - {{name: settings, mountPath: /etc/shop}}
      volumes:
        - name: settings
          configMap: {{name: shop-settings}}
"""
CANARY = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata:
  name: shop
  annotations: {trimtab.dev/policy: compared}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  progressDeadlineSeconds: 30
  service: {port: 8080, targetPort: http}
  analysis:
    interval: 2s
    threshold: 2
    stepWeights: [10, 50]
    metrics:
      - name: request-duration
        thresholdRange: {max: 500}
        interval: 10s
"""
POLICY = """\
apiVersion: trimtab.dev/v1alpha1
kind: RolloutPolicy
metadata:
  name: compared
spec:
  judge:                          # is the canary as good as the primary, at the same time?
    metrics: [{name: errors}]
    scrapeInterval: 1s            # the demo is in a hurry; 15s is usual
    tolerance: {absolute: 2%}     # and so it proves less than a service of yours should
"""


class Repository:
    """A git repository in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self) -> None:
        """The first commit. A repository that is there from an earlier demo is left alone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / ".git").exists():
            return
        self.git("init", "--quiet", "--initial-branch=main")
        (self.folder / "deployment.yaml").write_text(DEPLOYMENT.format(python=sys.executable, service=SERVICE))
        (self.folder / "canary.yaml").write_text(CANARY)
        (self.folder / "policy.yaml").write_text(POLICY)
        self.write_settings(FIRST)
        self.write_token(FIRST_TOKEN)
        self.commit("Add the shop")

    def write_settings(self, text: str) -> None:
        """The ConfigMap, with these settings."""
        indented = "".join(f"    {line}\n" for line in text.splitlines())
        header = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: shop-settings\ndata:\n  settings.yaml: |\n"
        (self.folder / "settings.yaml").write_text(header + indented)

    def write_token(self, token: str) -> None:
        """The Secret, with this token."""
        encoded = base64.b64encode(token.encode()).decode()
        header = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: shop-token\ntype: Opaque\ndata:\n"
        (self.folder / "token.yaml").write_text(f"{header}  token: {encoded}\n")

    def commit(self, message: str) -> str:
        """Commits everything; the commit's short id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "--short", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        """Runs git in the repository as the demo's author, whatever the user has configured."""
        who = ("-c", "user.name=Demo", "-c", "user.email=demo@example.com", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null")
        done = subprocess.run(["git", *who, *arguments], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout

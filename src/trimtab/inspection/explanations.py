"""Why each check is made, and what to do about what it finds: `trimtab check --explain`, and SARIF's rules. Read by the faces."""

from collections.abc import Mapping

WHY: Mapping[str, str] = {
    "yaml/parses": (
        "kubectl, Kustomize and Argo CD stop at a file that does not parse, and everything behind it is not applied either. "
        "The line is where the parser noticed; what is wrong is there or a little above: indentation, a tab, a quote that is not closed."
    ),
    "yaml/duplicate-key": (
        "Of a key that is written twice kubectl takes the last and says nothing, so one of the two edits is lost. Remove one of them."
    ),
    "render/fails": "What does not render reaches no cluster. The words are those of the tool; the place is the file that it is about.",
    "helm/values": "The chart says in values.schema.json what it takes. Helm refuses to install it with other values.",
    "document/invalid": (
        "A Canary, MetricTemplate, AlertProvider, RolloutPolicy or trimtab.yaml with a field that does not exist is not what its author "
        "meant, and a cluster drops unknown fields without a word."
    ),
    "document/canary": (
        "Such a Canary is accepted by the API server and then never rolls anything out, or rolls out without being looked at. "
        "The operator would say the same in an event, after the change was merged."
    ),
    "document/query": "A query that is no PromQL has no answer, so every check of the rollout would fail, or hold.",
    "document/template": "A query is a Go template with a few functions (target, namespace, interval); with others it is no query.",
    "document/metric": (
        "Nothing measures a metric without a built-in name, a query or a MetricTemplate, nor one whose template asks another server than "
        "Prometheus: each of its checks fails, so nothing is ever promoted."
    ),
    "document/judge": (
        "The judge compares pods with pods. With a single pod in one of the copies, or windows that are too short, a bad pod and a bad "
        "configuration look the same. `trimtab plan` says what can be seen."
    ),
    "document/argocd": (
        "monitor waits for the Application that the target names until its timeout. It may be made elsewhere, so that only some other "
        "Applications are here is a warning. One that follows another folder or branch, or has a misspelt field, is an error."
    ),
    "document/monitor": (
        "Content of a target that another one takes it from goes on once monitor says that it is good. It ends with 2 where nothing is "
        "measured, where a metric has no limit, or where its template is not in `metrics` of the target: better seen before the merge. "
        "Without a `monitor` section nothing has to be measured, since something else may judge."
    ),
    "document/reference": (
        "What a Canary names may be in the cluster already; then this says nothing. If not, the Canary waits for it and does nothing."
    ),
    "kubernetes/schema": (
        "The API server refuses wrong types and words that a field does not have; unknown fields it drops, with a warning that pipelines "
        "seldom show. The schemas are those of one version of Kubernetes, the newest when this Trimtab was made."
    ),
    "kubernetes/removed": "No supported cluster serves this version of the API any more; kubectl apply ends with an error.",
    "kubernetes/unknown": "Custom resources have schemas of their own, which are not known here. It was just not looked at.",
    "kubernetes/duplicate": "The one that is applied last wins, and which one that is depends on the order of files.",
    "kubernetes/selector": "The API server refuses a workload whose selector does not select its own pods.",
    "kubernetes/overlap": (
        "Two workloads that select each other's pods adopt and delete them in turn, and a share of the requests by replicas is no "
        "longer a share. Give each a label of its own (`track: canary`) in selector and pod template."
    ),
    "reference/missing": (
        "A pod that names a ConfigMap or a key which does not exist never starts: it stays in CreateContainerConfigError, or its "
        "volume is never mounted. The line is the reference's. What may be missing is marked with `optional: true`."
    ),
    "reference/port": (
        "A Service sends nothing to pods without a container port of the name in targetPort, and nobody says so: it just has no "
        "endpoints. A number needs no entry under ports, a name does."
    ),
    "reference/secret": ("Secrets are often made outside of git, so this is a warning only. If a tool makes it, render its object, too."),
    "reference/unused": (
        "A ConfigMap that no workload of the app reads is left over, or is named wrongly by the one that should read it. "
        "One that a program asks the API for is fine: waive this for its file."
    ),
    "rollout/unseen": (
        "A pod reads variables, and files by subPath, once, when it starts. Without a new name (configMapGenerator), a checksum in the pod "
        "template, Reloader or a Canary, the change waits until something else restarts the pods: then nobody thinks of it any more."
    ),
    "rollout/reload": (
        "The kubelet renews files of a mounted ConfigMap after a minute or so, in each pod at another time, and only an app that watches "
        "them notices. All pods get it, canary or not, within that minute."
    ),
    "rollout/immutable": "The API server refuses a change of data of an immutable object, so the apply fails halfway. Use a new name.",
    "rollout/no-traffic": (
        "A canary without requests shows no errors and is promoted on no evidence at all. Let one Service select the pods of both "
        "copies, or give the canary's Service a weight in a route."
    ),
    "check/validator": "A command of spec.check.validators ended with something else than 0. What it wrote is the problem's text.",
    "check/target-gone": (
        "A target that a pull request from a fork renames or removes would be looked at by nobody, so that is left to people who may "
        "write to this repository. Where its files are still there, they are looked at all the same."
    ),
    "check/waiver-expired": "A waiver is an exception until a day. It has passed, so the finding counts again: mend it, or decide anew.",
    "check/waiver-unused": "Nothing is found any more that this waiver accepts. Left in place it would hide the next mistake there.",
    "content/parses": (
        "The suffix of the key says what an app will parse. What parsed at the base, or in the target that follows, and does not any more "
        "is an error; so is one that nothing is known of, unless it looks like a template that is filled before it is read. What did not "
        "parse at the base either is a warning."
    ),
    "content/utf8": "`data` of a ConfigMap is text. Put bytes under binaryData.",
    "content/size": (
        "All values of one object together may have 1 MiB, or what spec.check.maxSize says; beyond that the API server refuses it."
    ),
    "content/schema": "The schema is the one of spec.check.schemas or of the ConfigMap's own annotation. The line is that of the value.",
    "content/schema-unused": "A schema for a key that does not exist checks nothing: the key was renamed, or the rule is misspelt.",
    "content/emptied": "A value that is suddenly empty is mostly a merge, a variable or a template gone wrong.",
    "content/deleted": "An app that still reads the key starts without it, with its default, or not at all.",
    "content/type": "`true` that became `'true'`, a list that became a text: many readers take the one and not the other.",
    "content/factor": (
        "Ten times as much is mostly a wrong unit or a zero too many. spec.check.factor says from where on; a change that is meant goes "
        "there in steps, or is waived."
    ),
    "content/secret": (
        "Whoever may read ConfigMaps, or the history of the repository, has the credential. Move it to a Secret, and replace it: it is out."
    ),
}
"""For every check of the catalogue."""

"""`spec.afterPromotion` and `spec.watch` of a RolloutPolicy: what may be written, and what it means."""

from datetime import timedelta

import pytest

from trimtab.documents.decode import read_documents
from trimtab.documents.flagger import Canary
from trimtab.documents.translate import Companions, translate
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.errors import DocumentError
from trimtab.model.watching import WatchRules

CANARY = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: web, namespace: shop, annotations: {trimtab.dev/policy: careful}}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  service: {port: 80}
  analysis: {interval: 1m, threshold: 5, stepWeights: [1, 10, 50]}
"""


def policy(spec: str) -> RolloutPolicy:
    (decoded,) = read_documents(
        f"apiVersion: trimtab.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: {{name: careful, namespace: shop}}\nspec: {spec}\n", "p.yaml"
    )
    assert isinstance(decoded.value, RolloutPolicy)
    return decoded.value


def rules(spec: str, canary: str = CANARY) -> WatchRules | None:
    (decoded,) = read_documents(canary)
    assert isinstance(decoded.value, Canary)
    return translate(decoded.value, Companions(policies={("shop", "careful"): policy(spec)})).watch


def test_with_a_policy_people_are_alerted_by_the_documented_defaults() -> None:
    assert rules("{}") == WatchRules() == WatchRules(False, timedelta(minutes=15), 3, 3, 0.1, 0.75)


def test_without_a_policy_nobody_looks_as_in_flagger() -> None:
    assert rules("{afterPromotion: undo}", CANARY.replace(", annotations: {trimtab.dev/policy: careful}", "")) is None


def test_none_means_that_nobody_looks() -> None:
    assert rules("{afterPromotion: none, watch: {looks: 2}}") is None


def test_every_number_of_the_rule_is_a_field() -> None:
    written = "{afterPromotion: undo, watch: {duration: 1h30m, looks: 5, restarts: 1, restartsOfPods: 50%, ready: 100%}}"
    assert rules(written) == WatchRules(True, timedelta(minutes=90), 5, 1, 0.5, 1.0)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("{afterPromotion: rollback}", r"spec\.afterPromotion: .*rollback"),
        ("{watch: {duration: 0s}}", r"spec\.watch\.duration: must be longer than nothing.*afterPromotion: none"),
        ("{watch: {ready: 101%}}", r"spec\.watch\.ready: is 101%.*at most 100%"),
        ("{watch: {looks: 0}}", r"spec\.watch\.looks: "),
        ("{watch: {restarts: 0}}", r"spec\.watch\.restarts: "),
        ("{watch: {restart: 3}}", r"did you mean restarts\?"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_stands(spec: str, said: str) -> None:
    with pytest.raises(DocumentError, match=rf"p\.yaml:4: .*{said}"):
        policy(spec)

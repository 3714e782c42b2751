# Everything sets itself up: a virtual environment in .venv, filled from the locked files. Needs Python >= 3.11, git and make.
PYTHON ?= python3
export PYTHON
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-pipeline test-cluster check format lock crds schemas deploy docs benchmark-judge benchmark-judge-short

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1	\2/'

setup:
	@tools/setup

demo: setup  ## a rollout of configuration on this machine, in a minute
	@$(BIN)/trimtab demo

test: setup  ## all tests but those on a cluster or with programs built for them
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal

test-pipeline: setup  ## tests with real forges, kustomize and helm (the first run builds them: some minutes, Go or the network)
	@tools/twice -n 2 --dist loadfile -m pipeline tests/pipeline

test-cluster: setup  ## tests on a real control plane (the first run builds it: some minutes, Go or the network)
	@tools/twice -n 2 --dist worksteal -m cluster --ignore=tests/cluster/test_conformance.py tests/cluster
	@tools/twice -m cluster tests/cluster/test_conformance.py

benchmark-judge: setup  ## how honest and how fast the judge is, all scenarios (some twelve minutes of one core)
	@PYTHONPATH=tests $(BIN)/python benchmarks/judge/run.py --report benchmarks/judge/report.md; $(BIN)/python benchmarks/judge_cost.py

benchmark-judge-short: setup  ## the same with few scenarios and runs, to the terminal (half a minute)
	@PYTHONPATH=tests $(BIN)/python benchmarks/judge/run.py --short

check: setup  ## format, lint, types, contracts, generated files
	@$(BIN)/ruff format --check --quiet . || { echo "make check: run 'make format'" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python tools/write_crds.py --check
	@$(BIN)/python tools/write_schemas.py --check
	@$(BIN)/python tools/write_modules.py --check
	@$(BIN)/python tools/write_deploy.py --check
	@$(BIN)/python tools/write_checks.py --check

format: setup  ## lay out the code
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

crds: setup  ## write crds/ from the types
	@$(BIN)/python tools/write_crds.py

schemas: setup  ## write schemas/ for editors from the types
	@$(BIN)/python tools/write_schemas.py

deploy: setup  ## copy deploy/base and the CRDs into the chart and the package
	@$(BIN)/python tools/write_deploy.py

docs: setup  ## write the list of modules in ARCHITECTURE.md, that of checks in docs/checks.md, and the pictures of docs/judge.md
	@$(BIN)/python tools/write_modules.py
	@$(BIN)/python tools/write_checks.py
	@$(BIN)/python tools/write_pictures.py

lock: setup  ## resolve requirements/ anew (needs uv and the network)
	@uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --python-version 3.11 --extra local \
	  --custom-compile-command "make lock" -o requirements/runtime.txt pyproject.toml
	@uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --python-version 3.11 --extra local --group dev \
	  --custom-compile-command "make lock" -o requirements/dev.txt pyproject.toml

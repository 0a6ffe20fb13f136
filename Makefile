# A thin face over render.py. `make` shows the targets; each takes ENV=<environment>, default local.
ENV  ?= local
BASE ?= origin/main
ARGS ?=
OUT  ?= dist/$(ENV)

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RENDER := $(BIN)/python render.py

.DEFAULT_GOAL := help
.PHONY: help render render-all check-build lint params explain diff graph package secrets images preflight plan deploy rollback watch status verify outputs history drift destroy rehearse emulator-start emulator-stop init doctor docs transcripts test test-full coverage types \
        format policy taskcat simulate bench lock install install-dev clean

help: ## Show this help
	@echo "make TARGET [ENV=local|dev|staging|prod|guide]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

render: $(VENV)/.installed ## Render ENV, check it, and write build/ENV
	@$(RENDER) render --env $(ENV) $(ARGS)

render-all: $(VENV)/.installed ## Render every environment
	@$(RENDER) render --all $(ARGS)

check-build: $(VENV)/.installed ## Fail where the committed build/ is stale
	@$(RENDER) render --all --check $(ARGS)

lint: $(VENV)/.installed ## Check ENV without writing; lists the waivers
	@$(RENDER) lint --env $(ENV) --waivers $(ARGS)

params: $(VENV)/.installed ## Show ENV's merged parameters and where each comes from
	@$(RENDER) params --env $(ENV) --origin $(ARGS)

explain: $(VENV)/.installed ## Tell where WHAT comes from, e.g. WHAT=gateway.cpu
	@$(RENDER) explain --env $(ENV) "$(WHAT)" $(ARGS)

diff: $(VENV)/.installed ## Tell what deploying ENV would change against BASE (default origin/main)
	@$(RENDER) diff --env $(ENV) --against $(BASE) $(ARGS)

graph: $(VENV)/.installed ## Draw ENV's stacks as Mermaid (ARGS="--format svg" for a picture)
	@$(RENDER) graph --env $(ENV) $(ARGS)

package: $(VENV)/.installed ## Zip the functions and address the templates, into OUT (default dist/ENV)
	@$(RENDER) package --env $(ENV) --out $(OUT) $(if $(BUCKET),--bucket $(BUCKET)) $(ARGS)

secrets: $(VENV)/.installed ## Push ENV's keys.env to Secrets Manager (DO=status or DO=diff only shows)
	@$(RENDER) secrets $(or $(DO),push) --env $(ENV) $(ARGS)

images: $(VENV)/.installed ## Show ENV's images in ECR (DO=build, DO=push or DO=mirror to bring them there)
	@$(RENDER) images $(or $(DO),status) --env $(ENV) $(ARGS)

preflight: $(VENV)/.installed ## Look whether ENV's account is ready for a deployment
	@$(RENDER) preflight --env $(ENV) $(ARGS)

plan: $(VENV)/.installed ## Show what a deployment of ENV would change; leaves nothing behind
	@$(RENDER) plan --env $(ENV) $(ARGS)

deploy: $(VENV)/.installed ## Deploy ENV: preview, ask, apply, verify (ENV=local: on this machine)
	@$(RENDER) deploy --env $(ENV) $(ARGS)

rollback: $(VENV)/.installed ## Restore ENV's last release, or RELEASE=number
	@$(RENDER) rollback --env $(ENV) $(RELEASE) $(ARGS)

watch: $(VENV)/.installed ## Follow what happens to ENV's stacks
	@$(RENDER) watch --env $(ENV) $(ARGS)

status: $(VENV)/.installed ## Show how ENV is: stacks, services, targets, last release
	@$(RENDER) status --env $(ENV) $(ARGS)

verify: $(VENV)/.installed ## Check that what runs of ENV is well
	@$(RENDER) verify --env $(ENV) $(ARGS)

outputs: $(VENV)/.installed ## Show the outputs of ENV's stacks
	@$(RENDER) outputs --env $(ENV) $(ARGS)

history: $(VENV)/.installed ## List ENV's releases
	@$(RENDER) history --env $(ENV) $(ARGS)

drift: $(VENV)/.installed ## Compare ENV's resources with what its stacks say
	@$(RENDER) drift --env $(ENV) $(ARGS)

destroy: $(VENV)/.installed ## Delete ENV's stacks, after saying what is lost
	@$(RENDER) destroy --env $(ENV) $(ARGS)

rehearse: $(VENV)/.installed ## Play the update of ENV from BASE, and its failure, on this machine
	@$(RENDER) rehearse --env $(ENV) --against $(BASE) $(ARGS)

emulator-start: $(VENV)/.installed ## Start the local CloudFormation, as: eval "$$(make emulator-start)"
	@$(RENDER) emulator start --env $(ENV) $(ARGS)

emulator-stop: $(VENV)/.installed ## Stop the local CloudFormation
	@$(RENDER) emulator stop $(ARGS)

init: $(VENV)/.installed ## Make the files of a new environment ENV
	@$(RENDER) init $(ENV) $(ARGS)

doctor: $(VENV)/.installed ## Look at what is installed and configured
	@$(RENDER) doctor $(ARGS)

transcripts: $(VENV)/.installed-dev ## Play the scenes of docs/transcripts again (needs tmux)
	@$(BIN)/python docs/transcripts/record.py

docs: $(VENV)/.installed ## Write the generated pages of docs/
	@$(RENDER) docs --write $(ARGS)

test: $(VENV)/.installed-dev ## Run the tests (ARGS="-k name" for some of them)
	@$(BIN)/pytest -n auto --dist worksteal -q $(ARGS)

test-full: $(VENV)/.installed-dev ## Run the tests with the long property loops
	@HYPOTHESIS_PROFILE=full $(BIN)/pytest -n auto --dist worksteal -q --timeout 1800 $(ARGS)

coverage: $(VENV)/.installed-dev ## Run the tests and show what they do not reach
	@$(BIN)/pytest -n auto --dist worksteal -q --cov --cov-report=term-missing:skip-covered $(ARGS)

types: $(VENV)/.installed-dev ## Run mypy (strict), import-linter and ruff
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(VENV)/.installed-dev ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

taskcat: $(VENV)/.installed .venv-taskcat/.installed ## Lint what is packaged with taskcat (DO="test run" BUCKET=... tests it in an account)
	@rm -rf dist/taskcat/$(ENV)
	@$(RENDER) taskcat --env $(ENV) --out dist/taskcat/$(ENV) $(if $(BUCKET),--bucket $(BUCKET)) $(ARGS)
	@cd dist/taskcat/$(ENV) && PYTHONWARNINGS=ignore $(CURDIR)/.venv-taskcat/bin/taskcat $(or $(DO),lint)

policy: .venv-policy/.installed ## Ask checkov for a second opinion on build/ENV
	@.venv-policy/bin/checkov --quiet --compact --skip-download --framework cloudformation --directory build/$(ENV) $(ARGS)

simulate: $(VENV)/.installed-dev ## Simulate ENV's autoscaling (TRACE=file.csv for your own arrivals)
	@$(BIN)/python -m benchmarks.autoscaling simulate --env $(ENV) $(if $(TRACE),--trace $(TRACE)) $(ARGS)

bench: $(VENV)/.installed-dev ## Measure rendering, prediction and deployment against targets and peers
	@$(BIN)/python -m benchmarks.rendering $(ARGS)
	@$(BIN)/python -m benchmarks.cloudformation
	@$(BIN)/python -m benchmarks.deployment

lock: ## Pin the dependencies again (needs uv)
	@for name in requirements requirements-dev requirements-policy requirements-taskcat; do \
	  uv pip compile -q --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    $$name.in -o $$name.txt || exit 1; done

install: $(VENV)/.installed ## Install what render.py needs into .venv
install-dev: $(VENV)/.installed-dev ## Install what the tests need as well

clean: ## Remove what was installed and cached
	rm -rf .venv .venv-policy .venv-taskcat .stackwright .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13 ...")'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: requirements.txt $(VENV)/.created
	@echo "installing requirements.txt into $(VENV) ..." >&2
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "installing requirements-dev.txt into $(VENV) ..." >&2
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

.venv-policy/.installed: requirements-policy.txt
	@echo "installing requirements-policy.txt into .venv-policy ..." >&2
	@$(PYTHON) -m venv .venv-policy
	@.venv-policy/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-policy.txt
	@touch $@

.venv-taskcat/.installed: requirements-taskcat.txt
	@echo "installing requirements-taskcat.txt into .venv-taskcat ..." >&2
	@$(PYTHON) -m venv .venv-taskcat
	@.venv-taskcat/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-taskcat.txt
	@touch $@

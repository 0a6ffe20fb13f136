# The commands of every day; `make` lists them, and `./render.py --help` lists every verb. Each target does its own
# set-up. ENV=<environment> is local unless given; ARGS="…" are further options, in shell quotes where they need them.
# make itself ends with 2 where a verb fails, and prints the verb's status; call render.py where a script needs that.
ENV     ?= local
BASE    ?= origin/main
RELEASE ?=
BUCKET  ?=
ARGS    ?=
export ENV BASE RELEASE BUCKET # recipes take them from the environment: no value becomes a command

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RENDER := $(BIN)/python render.py
PIP    := -m pip install -q --disable-pip-version-check --require-hashes -r

.DEFAULT_GOAL := help
.PHONY: help render diff plan deploy rollback status history destroy test types docs lock taskcat install clean

help: ## Show this help
	@echo "make TARGET [ENV=local|dev|staging|prod|guide] [ARGS=...]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

render: $(VENV)/.installed ## Render ENV, check it, and write build/ENV
	@$(RENDER) render --env "$$ENV" $(ARGS)

diff: $(VENV)/.installed ## Show what deploying ENV would change against BASE (default origin/main)
	@$(RENDER) diff --env "$$ENV" --against "$$BASE" $(ARGS)

plan: $(VENV)/.installed ## Show what deploying ENV would change in its account; change nothing
	@$(RENDER) plan --env "$$ENV" $(ARGS)

deploy: $(VENV)/.installed ## Deploy ENV: preview, ask, apply, verify (local: on this machine, no account)
	@$(RENDER) deploy --env "$$ENV" $(ARGS)

rollback: $(VENV)/.installed ## Restore ENV's release before the last, or RELEASE=number
	@$(RENDER) rollback --env "$$ENV" $${RELEASE:+"$$RELEASE"} $(ARGS)

status: $(VENV)/.installed ## Show ENV's stacks, services, targets and last release
	@$(RENDER) status --env "$$ENV" $(ARGS)

history: $(VENV)/.installed ## List ENV's releases
	@$(RENDER) history --env "$$ENV" $(ARGS)

destroy: $(VENV)/.installed ## Delete ENV's stacks, after saying what is lost
	@$(RENDER) destroy --env "$$ENV" $(ARGS)

test: $(VENV)/.installed-dev ## Run the tests (ARGS="-k name" for some; HYPOTHESIS_PROFILE=full for the long loops)
	@for program in rabbitmq-server podman docker-registry openssl aws .venv-taskcat/bin/taskcat; do \
	  PATH="$$PATH:/usr/sbin" command -v "$$program" >/dev/null || \
	    echo "not installed, so its tests are skipped: $$program" >&2; done
	@$(BIN)/pytest -n auto --dist worksteal -q $(if $(filter full,$(HYPOTHESIS_PROFILE)),--timeout 1800) $(ARGS)

types: $(VENV)/.installed-dev ## Check types, style and imports (mypy, ruff, import-linter)
	@$(BIN)/mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

docs: $(VENV)/.installed ## Write the generated pages of docs/
	@$(RENDER) docs --write $(ARGS)

lock: ## Pin the dependencies again (needs uv); LOCK=--upgrade for newer versions
	@compile() { uv pip compile -q --no-strip-extras --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header $(LOCK) "$$@"; } && \
	compile pyproject.toml --extra local -o requirements.txt && \
	compile pyproject.toml --all-extras requirements-dev.in -o requirements-dev.txt && \
	compile requirements-taskcat.in -o requirements-taskcat.txt && \
	compile .ci/requirements.in -o .ci/requirements.txt

taskcat: $(VENV)/.installed .venv-taskcat/.installed ## Lint ENV as it is packaged, with taskcat (docs/pipeline.md)
	@rm -rf "dist/taskcat/$$ENV"
	@$(RENDER) taskcat --env "$$ENV" --out "dist/taskcat/$$ENV" $${BUCKET:+--bucket "$$BUCKET"} $(ARGS)
	@cd "dist/taskcat/$$ENV" && PYTHONWARNINGS=ignore $(CURDIR)/.venv-taskcat/bin/taskcat $(or $(DO),lint)

install: $(VENV)/.installed ## Install what render.py needs into .venv; every other target does so itself

clean: ## Stop the local CloudFormation, and remove what was installed and cached
	@if [ -x $(BIN)/python ] && [ -d .stackwright ]; then $(RENDER) emulator stop; fi
	rm -rf .venv .venv-taskcat .stackwright .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13 ...")'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: requirements.txt $(VENV)/.created
	@echo "installing requirements.txt into $(VENV) ..." >&2
	@$(BIN)/python $(PIP) requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "installing requirements-dev.txt into $(VENV) ..." >&2
	@$(BIN)/python $(PIP) requirements-dev.txt
	@touch $@

.venv-taskcat/.installed: requirements-taskcat.txt
	@echo "installing requirements-taskcat.txt into .venv-taskcat ..." >&2
	@$(PYTHON) -m venv .venv-taskcat
	@.venv-taskcat/bin/python $(PIP) requirements-taskcat.txt
	@touch $@

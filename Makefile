# Every verb of the project. `make demo` and `make test` do all their own set-up.

PYTHON ?= python3
RECIPE ?= shapes
DATA ?= .
CKPT ?=
OUT ?= runs/$(notdir $(basename $(RECIPE)))-base-to-new
ARGS ?=

BIN := .venv/bin
READY := .venv/.ready
DEMO_METHODS := zero-shot prompt-mean aape aape-no-distill aape-literal aape-literal-no-distill aape-names
RETRIEVAL_METHODS := clip-retrieval aape-retrieval-no-distill aape-retrieval-residual aape-retrieval
VQA_METHODS := vqa-limber vqa-limber-aape
CAPTION_METHODS := limber limber-embedding limber-aape
DEMO_GENERATOR := runs/demo-generator/aape.ckpt
METHODS ?= $(DEMO_METHODS)
SEEDS ?= 1 2 3

.DEFAULT_GOAL := help
.PHONY: help demo demo-retrieval demo-captioning demo-vqa test lint type tests check docs docs-serve notebooks screenshots test-faults fuzz format bench fit eval protocol cache report shapes-tiny shapes-lm clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'
	@echo
	@echo "  RECIPE=$(RECIPE)  short name or path of a recipe      DATA=$(DATA)  the data root (CoOp's \$$DATA)"
	@echo "  CKPT=  a checkpoint, for eval                    OUT=   a protocol's folder, for protocol and report"
	@echo "  ARGS=  further options, such as ARGS='--data.shots 4'"

# A .venv is stale when pyproject.toml is newer than it, or when its Python is gone.
$(READY): pyproject.toml
	@$(BIN)/python -c '' 2>/dev/null || { rm -rf .venv; $(PYTHON) -m venv .venv; }
	@echo "Installing into .venv (once; torch is large, so this takes some minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(READY) ## the main job on the embedded shapes world: one table and a report, in minutes
	$(BIN)/aape protocol base-to-new --recipe shapes $(DEMO_METHODS:%=--method %) --seeds 1 2 3 --out runs/demo --report

demo-retrieval: $(READY) ## captions and scenes of the shapes world find each other: a table and a page with results
	$(BIN)/aape protocol train-test --recipe shapes_retrieval $(RETRIEVAL_METHODS:%=--method %) --seeds 1 2 3 \
		--out runs/demo-retrieval --report

# h for the two demos below: trained on the captions of the shapes world. They train for fewer epochs than their recipes, and
# test fewer conditions, to be done in minutes.
$(DEMO_GENERATOR): | $(READY)
	$(BIN)/aape fit --config shapes_retrieval --run $(@D)

demo-captioning: $(READY) $(DEMO_GENERATOR) ## a small language model describes scenes, with AAPE and without
	$(BIN)/aape protocol train-test --recipe shapes_captioning $(CAPTION_METHODS:%=--method %) --seeds 1 2 3 \
		--model.generator_from $(DEMO_GENERATOR) --trainer.max_epochs 7 --out runs/demo-captioning --report

demo-vqa: $(READY) $(DEMO_GENERATOR) ## the same model answers questions about scenes, shown none and two answered ones
	$(BIN)/aape protocol train-test --recipe shapes_vqa $(VQA_METHODS:%=--method %) --seeds 1 2 3 \
		--model.generator_from $(DEMO_GENERATOR) --trainer.max_epochs 3 --data.examples '[0, 2]' --data.degradations '[none]' \
		--out runs/demo-vqa --report

check: lint type docs ## before every commit: lint, types, documentation, and the quick tests of floors, recipes and help
	$(BIN)/pytest --numprocesses auto --dist loadfile tests/docs/test_floors.py tests/docs/test_recipe_page.py \
		tests/test_main.py tests/test_cli.py tests/test_errors.py tests/modules $(ARGS)

test: lint type tests ## lint, types and tests: what CI runs

lint: $(READY) ## ruff: style, imports, docstrings, annotations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(READY) ## mypy --strict
	$(BIN)/mypy

tests: $(READY) ## pytest, a process for each core
	$(BIN)/pytest --numprocesses auto --dist loadfile $(ARGS)

# One thread a process: forks inherit none. AAPE_TEST_KILLS=5 make test-faults kills less often.
test-faults: $(READY) ## kills, full disks and other faults, each survived: a table (half an hour, not part of `make test`)
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/faults --override-ini addopts= -s $(ARGS)

# ARGS='--seconds 540 --out FOLDER' stops in time; the same again goes on.
fuzz: $(READY) ## 100,000 hostile files for each parser of strangers' files (hours on all cores; a part: ARGS='--only recipe')
	$(BIN)/python tests/fuzz/run.py --executions 100000 $(ARGS)

docs: $(READY) ## build the documentation into site/, every warning an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-serve: $(READY) ## show the documentation while it is written
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

notebooks: $(READY) ## run the notebooks of the documentation, and keep their outputs
	OMP_NUM_THREADS=1 $(BIN)/jupyter nbconvert --to notebook --execute --inplace docs/notebooks/*.ipynb

screenshots: $(READY) ## pictures of the demo's report for the documentation (needs a Chromium)
	$(BIN)/python tests/report/browser/screenshots.py runs/demo/report.html docs/figures

format: $(READY) ## format the code and sort its imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# A figure outside its bound fails. AAPE_BENCH_SMALL=1 make bench tries every benchmark at small sizes, without bounds.
bench: $(READY) ## timed work, as ratios within one run: a table, also in .benchmarks (a part: ARGS='-k growth')
	$(BIN)/pytest tests/benchmarks --override-ini addopts= --benchmark-autosave --benchmark-columns=median,rounds -v $(ARGS)

fit: $(READY) ## train RECIPE on DATA
	$(BIN)/aape fit --config $(RECIPE) --data.root $(DATA) $(ARGS)

eval: $(READY) ## test CKPT with RECIPE on DATA, such as ARGS='--data.classes new'
	@test -n "$(CKPT)" || { echo "make eval needs CKPT=runs/<run>/aape.ckpt"; exit 2; }
	$(BIN)/aape test --config $(RECIPE) --data.root $(DATA) --ckpt_path $(CKPT) $(ARGS)

protocol: $(READY) ## base-to-new with RECIPE on DATA: METHODS x SEEDS, into OUT
	$(BIN)/aape protocol base-to-new --recipe $(RECIPE) $(METHODS:%=--method %) --seeds $(SEEDS) --out $(OUT) \
		--data-root $(DATA) $(ARGS)

cache: $(READY) ## build RECIPE's prompt bank and feature stores ahead of training
	$(BIN)/aape cache build --recipe $(RECIPE) --data-root $(DATA) $(ARGS)

report: $(READY) ## tables, figures and a page from OUT
	$(BIN)/aape report $(OUT)

shapes-tiny: $(READY) ## train the weights of shapes-tiny again (half an hour on 2 cores)
	$(BIN)/aape fit --config shapes_tiny $(ARGS)

shapes-lm: $(READY) ## train the weights of shapes-lm again (ten minutes)
	$(BIN)/aape fit --config shapes_lm $(ARGS)

clean: ## remove what tools leave behind, but not runs and .venv
	rm -rf .pytest_cache .mypy_cache .ruff_cache .benchmarks dist build site
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# Two commands do all the set-up: `make study` and `make test`. Both install into .venv first.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STORE  ?= runs/micro
STUDIES ?= micro micro-variants micro-reuse micro-groups micro-transfer micro-control micro-curriculum micro-length

.PHONY: soak install install-dev study studies test test-trackers test-hf test-cluster test-verl lint bench docs clean

install: $(VENV)/installed          ## rlaw with the local engine and reports, into .venv
install-dev: $(VENV)/installed-dev  ## the same with everything that tests, lints and builds the docs

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all]'
	touch $@

$(VENV)/installed-dev: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/installed

study: install                      ## run the embedded default study end to end; ends with the path of its report
	$(BIN)/rlaw run examples/micro/study.yaml --store $(STORE)
	$(BIN)/rlaw report $(STORE)

studies: install                    ## run all micro studies, each to its report under runs/; the same command goes on
	@set -e; for study in $(STUDIES); do \
		echo "== $$study"; \
		$(BIN)/rlaw run examples/$$study/study.yaml --store runs/$$study; \
		$(BIN)/rlaw report runs/$$study; \
	done

test: install-dev                   ## pass the tests
	$(BIN)/pytest -q -n 2 --dist loadfile

test-hf: install-dev                ## against transformers and TRL: same logits, losses, gradients, learning curves; the TRL engine (large install)
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check 'transformers>=5.10,<6' trl==1.16.0
	$(BIN)/pytest -q tests/engines/test_local_model.py tests/engines/test_faithful_trl.py tests/engines/test_trl.py \
		tests/engines/test_trl_words.py tests/engines/test_trl_curves.py tests/engines/test_integrations.py

test-trackers: install-dev          ## files that TensorBoard, W&B and MLflow write themselves are read (large install)
	$(BIN)/pip install --quiet --disable-pip-version-check tensorboard wandb mlflow
	$(BIN)/pytest -q tests/measurements/test_trackers.py

test-cluster: install-dev           ## runs on a two-node Ray cluster on loopback, and as jobs (large install)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[ray,slurm]'
	$(BIN)/pytest -q tests/execution/test_ray.py tests/execution/test_slurm.py

$(VENV)-verl/bin/python:
	$(PYTHON) -m venv $(VENV)-verl

test-verl: $(VENV)-verl/bin/python  ## what the installed veRL says of our configurations, data and logs; no GPU (2 GB, own environment)
	$(VENV)-verl/bin/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(VENV)-verl/bin/pip install --quiet --disable-pip-version-check --editable '.[verl]' verl==0.9.1 pytest \
		TransferQueue pyzmq msgspec cachetools fastapi uvicorn
	$(VENV)-verl/bin/python -m pytest -q tests/engines/test_verl_package.py tests/engines/test_verl_job.py \
		tests/engines/test_published_shapes.py

soak: install-dev                   ## kill runs 200 times, also in the middle of what they write; nothing may be lost
	RLAW_SOAK_KILLS=200 $(BIN)/pytest -q -n0 -s tests/soak

lint: install-dev                   ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

bench: install-dev                  ## speed and coverage, as tables under benchmarks/results
	$(BIN)/python benchmarks/fit.py
	$(BIN)/python benchmarks/engine.py

docs: install-dev                   ## the documentation, as HTML under docs/_build
	$(BIN)/sphinx-build -q -W -b html docs docs/_build

clean:
	rm -rf $(VENV) docs/_build

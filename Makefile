# Every target makes the environment it needs by itself; only Python 3.11+ and make are expected.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
UV_VERSION := 0.13.9
PIP_AUDIT_VERSION := 2.10.1
SERVICES := .services
PYTEST := $(BIN)/python -m pytest --numprocesses 3 --dist worksteal
# Each of the slow ones is several processes itself: three at once take more turns than two processors have.
PYTEST_SLOW := $(BIN)/python -m pytest --numprocesses 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-slow test-real test-security test-spark spark faults soak check format lock page acceptance bench real-services compose-config env rehearse prometheus dashboards mongo-conformance certs passwords security-table sbom audit-packages clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: $(STAMP) ## make .venv with everything pinned; the command is .venv/bin/fleetlake

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Fleetlake needs Python 3.11 or newer; set PYTHON=... to one")'
	@echo 'installing what requirements.txt pins into $(VENV), once'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes --requirement requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q contracts broker ingest simulate lake transforms orchestration serving fleetlake
	@touch $@

demo: setup ## the main job on the embedded stack, from nothing to a proof (KEEP=1 leaves it running, STEP=1 pauses)
	@$(BIN)/fleetlake demo $(if $(KEEP),--keep) $(if $(STEP),--step)

up: setup ## start the local stack and watch it
	@$(BIN)/fleetlake up

test: setup ## run the tests, without the slow ones
	@$(PYTEST) -m 'not slow and not spark'

test-slow: setup ## run the slow tests: whole stacks, crashes, stores that hang (TESTS=...)
	@$(PYTEST_SLOW) -m 'slow and not spark' $(TESTS)

test-real: setup real-services ## the tests of the ingest path once more, on Apache Kafka and MinIO (TESTS=...)
	@FLEETLAKE_REQUIRE=kafka,minio,jdbc $(PYTEST) --kafka real --store minio $(or $(TESTS),tests/broker tests/ingest tests/lake tests/fleetlake)

test-security: setup real-services ## who may do what, every cell tried on Apache Kafka and MinIO with users, rights and certificates
	@FLEETLAKE_REQUIRE=kafka,minio $(BIN)/python -m pytest --kafka real --store minio tests/security

test-spark: setup spark ## the tests of the models, silver and the marts on Apache Spark
	@FLEETLAKE_REQUIRE=spark $(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m spark tests/lake tests/transforms

check: setup ## format, lint, types, imports, tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(PYTEST) -m 'not slow and not spark'

format: setup ## rewrite the code in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(VENV)/bin/uv ## pin every dependency with its hashes
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--all-extras --prerelease if-necessary-or-explicit --custom-compile-command 'make lock' \
		--output-file requirements.txt pyproject.toml requirements-build.in
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--group spark --constraint requirements.txt --custom-compile-command 'make lock' \
		--output-file requirements-spark.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--constraint requirements.txt --custom-compile-command 'make lock' \
		--output-file requirements-runtime.txt pyproject.toml requirements-build.in
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-deps \
		--group dagster-postgres --custom-compile-command 'make lock' --output-file requirements-dagster.txt

env: ## write .env and .secrets for docker-compose.yml, with strong secrets; overwrites nothing
	@$(PYTHON) infra/make_env.py

page: ## build the live page from its sources, and test it (Node 20.19 or newer); the result is committed
	@command -v npm >/dev/null || { echo "the page is built with Node (20.19 or newer), and there is no npm on the PATH" >&2; exit 1; }
	@cd serving/page && npm ci --no-audit --no-fund && npm test && npm run build

$(VENV)/bin/uv:
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

real-services: $(SERVICES)/kafka/.built $(SERVICES)/minio/.built $(SERVICES)/duckdb-jdbc/.built ## build Apache Kafka and MinIO, fetch DuckDB's JDBC driver, from package registries (Java 17, Maven, Go)

$(SERVICES)/kafka/.built: infra/local/kafka/pom.xml infra/local/kafka/log4j2.properties
	@for tool in java mvn; do command -v $$tool >/dev/null || { echo "Apache Kafka needs $$tool (Java 17 or newer, Maven)" >&2; exit 1; }; done
	@echo "fetching Apache Kafka's jars"
	@rm -rf $(@D) && mkdir -p $(@D)
	@mvn --quiet --batch-mode --file infra/local/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory="$(abspath $(@D))/lib"
	@cp infra/local/kafka/log4j2.properties $(@D)/
	@touch $@

$(SERVICES)/minio/.built: infra/local/minio/go.mod infra/local/minio/go.sum
	@command -v go >/dev/null || { echo "MinIO is built with Go (1.25 or newer), and there is no go on the PATH" >&2; exit 1; }
	@echo "building MinIO; this takes some minutes the first time"
	@rm -rf $(@D) && mkdir -p $(@D)
	@go build -C infra/local/minio -mod=readonly -trimpath -ldflags "-s -w" -o "$(abspath $(@D))/minio" github.com/minio/minio
	@touch $@

compose-config: $(SERVICES)/compose/.built ## build Docker Compose's reader of compose files, from its Go module

$(SERVICES)/compose/.built: infra/local/compose/go.mod infra/local/compose/go.sum infra/local/compose/main.go
	@command -v go >/dev/null || { echo "the reader of compose files is built with Go (1.25 or newer), and there is no go on the PATH" >&2; exit 1; }
	@rm -rf $(@D) && mkdir -p $(@D)
	@go build -C infra/local/compose -mod=readonly -trimpath -ldflags "-s -w" -o "$(abspath $(@D))/compose-config" .
	@touch $@

rehearse: $(VENV)/.dagster-postgres real-services ## run docker-compose.yml's services of ours as processes, without Docker (JSON=result.json)
	@$(BIN)/python infra/rehearse.py $(if $(JSON),--json $(JSON)) $(if $(REQUIRE),--require $(REQUIRE))

$(VENV)/.dagster-postgres: requirements-dagster.txt | $(STAMP)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps --requirement requirements-dagster.txt
	@touch $@

prometheus: $(SERVICES)/prometheus/.built ## fetch Prometheus and Alertmanager with their checkers, from Debian's packages (apt-get, dpkg)

# Debian's Alertmanager has its templates in /usr/share: here they lie in share/ below the folder that it is started in.
$(SERVICES)/prometheus/.built:
	@for tool in apt-get dpkg; do command -v $$tool >/dev/null || { echo "Prometheus is taken from Debian's packages, which needs $$tool" >&2; exit 1; }; done
	@rm -rf $(@D) && mkdir -p $(@D)/share
	@cd $(@D) && apt-get download --quiet prometheus prometheus-alertmanager && for package in *.deb; do dpkg -x $$package unpacked; done \
		&& mv unpacked/usr/bin/prometheus unpacked/usr/bin/promtool unpacked/usr/bin/amtool . \
		&& sed 's|/usr/share/prometheus/alertmanager|././././././././share/alertmanager|g' unpacked/usr/bin/prometheus-alertmanager >alertmanager \
		&& chmod +x alertmanager && mv unpacked/usr/share/prometheus/alertmanager share/ && rm -r unpacked *.deb
	@touch $@

dashboards: setup ## build Grafana's dashboards from infra/grafana; the result is committed
	@$(BIN)/python -m infra.grafana.build

$(SERVICES)/duckdb-jdbc/.built: infra/local/duckdb-jdbc/pom.xml
	@for tool in java mvn; do command -v $$tool >/dev/null || { echo "DuckDB's JDBC driver needs $$tool (Java 17 or newer, Maven)" >&2; exit 1; }; done
	@echo "fetching DuckDB's JDBC driver"
	@rm -rf $(@D) && mkdir -p $(@D)
	@mvn --quiet --batch-mode --file infra/local/duckdb-jdbc/pom.xml dependency:copy-dependencies -DoutputDirectory="$(abspath $(@D))/lib"
	@touch $@

spark: $(VENV)/.spark $(SERVICES)/spark/.built ## install Apache Spark and fetch Delta's jars, from package registries (Java 17, Maven)

$(VENV)/.spark: requirements-spark.txt | $(STAMP)
	@echo "installing Apache Spark; this takes some minutes the first time"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements-spark.txt
	@touch $@

$(SERVICES)/spark/.built: infra/local/spark/pom.xml infra/local/spark/log4j2.properties
	@for tool in java mvn; do command -v $$tool >/dev/null || { echo "Spark needs $$tool (Java 17 or newer, Maven)" >&2; exit 1; }; done
	@echo "fetching Delta's jars"
	@rm -rf $(@D) && mkdir -p $(@D)
	@mvn --quiet --batch-mode --file infra/local/spark/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
		-DexcludeGroupIds=io.netty,org.antlr,org.scala-lang,org.slf4j -DoutputDirectory="$(abspath $(@D))/lib"
	@cp infra/local/spark/log4j2.properties $(@D)/
	@touch $@

acceptance: setup ## the long proofs: sinks killed under load, every kind of bad message, maxima, delay
	@$(BIN)/python -m tests.acceptance.malformed
	@$(BIN)/python -m tests.acceptance.kill_any_sink
	@$(BIN)/python -m tests.acceptance.pressure_scaling
	@$(BIN)/python -m tests.acceptance.latency

mongo-conformance: setup ## what Fleetlake expects of MongoDB, on yours: URI=mongodb://... (default: the embedded server)
	@$(PYTEST) $(if $(URI),--mongo-uri '$(URI)') tests/conformance/mongo \
		tests/lake/test_state.py tests/lake/test_state_marks.py tests/lake/test_alert_store.py tests/lake/test_alert_outbox.py

faults: setup real-services ## break Kafka, MinIO, MongoDB and the sinks on purpose; writes docs/faults.md (CASES=..., SCALE=1, RESUME=1)
	@$(BIN)/python -m tests.faults $(CASES) --scale $(or $(SCALE),1) --json faults.json $(if $(RESUME),--resume) $(if $(CASES),,--render docs/faults.md)

soak: setup real-services ## a steady load, every sink killed once a minute (MINUTES=30, RATE=20000); draws soak.png
	@$(BIN)/python -m tests.faults.soak --minutes $(or $(MINUTES),30) --rate $(or $(RATE),20000) --json soak.json

bench: setup ## measure ingest against a bare consumer, in the same run
	@$(BIN)/python benchmarks/ingest.py

certs: setup ## an authority, and a certificate for every server and service, in .secrets/certs (docs/security.md)
	@$(BIN)/python infra/security/certs.py make --shared

passwords: setup ## a password for every service and server that has none yet, in .secrets/passwords.env
	@$(BIN)/python infra/security/passwords.py --shared

security-table: setup real-services ## try who may do what on Apache Kafka and MinIO; writes docs/security.md's tables
	@$(BIN)/python -m tests.security

sbom: setup ## what Fleetlake is made of, from the locks, as CycloneDX: sbom.json
	@$(BIN)/python infra/security/sbom.py > sbom.json

audit-packages: setup ## known holes of the pinned packages (asks the package index about each; needs the internet)
	@$(BIN)/uv tool run --from pip-audit==$(PIP_AUDIT_VERSION) pip-audit --disable-pip --requirement requirements.txt

clean: ## remove the environment, the local stack's data and caches
	@test ! -x $(BIN)/fleetlake || $(BIN)/fleetlake down || true
	@rm -rf $(VENV) $(SERVICES) .fleetlake .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

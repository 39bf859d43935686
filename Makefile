# demo and test are all a user needs; both install the npm tools they use.
.PHONY: conformance demo test test-rust test-solidity test-python test-python-built test-python-small test-page test-client coverage analyse differential bench bench-engine compare sanitize fuzz fuzz-api soak bench-service fmt lint doc

CARGO_FLAGS = --release --locked

# An example beside the program makes cargo choose the features of dependencies as it
# does for tests, so that what one of demo and test has compiled serves the other too.
BUILD = cargo build $(CARGO_FLAGS) --workspace --bins --example bench_engine
VERDICT = "$${CARGO_TARGET_DIR:-target}/release/verdict"

# Everything on a local chain: model, keys, proof, Solidity verifier, transaction. MODEL is a
# folder of examples, FLAGS what else `verdict demo` takes: --model int8.onnx, --id D7.
MODEL = credit
FLAGS =
JOBS = 10000
demo: node_modules
	$(BUILD) && $(VERDICT) demo --example examples/$(MODEL) $(FLAGS)

# Every test: Rust, Foundry, end to end; of the Python package a part, where python3 is.
test: test-rust test-solidity test-python-small

test-rust: node_modules
	scripts/test-rust $(CARGO_FLAGS)

test-solidity: node_modules
	scripts/foundry forge test
	scripts/test-consumer

# The Python package as a wheel, against scikit-learn, XGBoost and LightGBM; its notebooks; its types.
# With TORCH=1 against torch too, which is several gigabytes. The wheel is compiled with features of its
# own, all of it once more: test-python-built runs the same tests and types on what cargo has built.
test-python: node_modules
	$(BUILD)
	scripts/test-python

test-python-built: node_modules
	$(BUILD) --lib
	scripts/test-python --built

# What of it needs NumPy only, on the library as cargo builds it.
test-python-small: node_modules
	$(BUILD) --lib
	scripts/test-python --small

# The service's page in headless Chromium (from PATH, or CHROMIUM=FILE).
test-page: node_modules
	$(BUILD)
	scripts/test-page

# The npm package of client/ in Node, in a bundle and in headless Chromium. Takes Rust's target for
# WebAssembly: rustup target add wasm32-unknown-unknown.
test-client: node_modules
	$(BUILD)
	scripts/test-client

# Lines of the hand-written contracts that their tests run: at least 95 %.
coverage: node_modules
	scripts/coverage

# Slither: every finding has its reason in contracts/slither-reasons.json, or is mended.
analyse: node_modules
	scripts/slither

# A hundred random constraint systems by three verifiers: a quarter of an hour and more.
differential: node_modules
	scripts/differential

# The standard's own operator tests, into docs/operators.md; installs their Python packages. Then a
# real proof of a case of every operator, verified in Rust and in an EVM.
conformance: node_modules
	cargo build $(CARGO_FLAGS) --workspace --example conformance
	python3 -m venv "$${CARGO_TARGET_DIR:-target}/conformance/python"
	"$${CARGO_TARGET_DIR:-target}/conformance/python/bin/pip" install --quiet \
	    --requirement scripts/conformance/requirements.txt
	"$${CARGO_TARGET_DIR:-target}/conformance/python/bin/python" scripts/conformance/run.py $(CONFORMANCE)
	cargo test $(CARGO_FLAGS) --workspace --test verifier -- --ignored --exact --nocapture \
	    operators::a_case_of_every_operator_is_proven_and_verified_on_chain

# Keys, proofs, memory and gas of the example models.
bench: node_modules
	$(BUILD) && $(VERDICT) bench

# Side by side with EZKL: docs/benchmarks.md. Goes on where it stopped; see --help of the script.
compare: node_modules
	$(BUILD)
	python3 scripts/compare/run.py $(COMPARE_FLAGS)

# The proof engine against halo2's prover: kernels, proofs and keys with every backend of
# this CPU, then whole proofs of dense models. About half an hour; with BENCH=--quick, and
# DENSE of one small model, two minutes.
DENSE = 784-128-10 512-1024-512-10 784-1536-1536-256-10
bench-engine:
	$(BUILD)
	"$${CARGO_TARGET_DIR:-target}/release/examples/bench_engine" $(BENCH)
	$(VERDICT) bench $(DENSE:%=--dense %)

# Ten thousand jobs through the service on PostgreSQL with two workers, while processes are killed, the
# chain reorganizes and the node is in trouble: none lost, none twice. JOBS=1000 is a tenth of it.
soak: node_modules
	JOBS=$(JOBS) cargo test $(CARGO_FLAGS) --workspace --test stories -- --ignored --exact --nocapture \
	    soak::nothing_is_lost_of_ten_thousand_jobs

# The service's API by its own document, schemathesis's questions: no 5xx, nothing undocumented.
fuzz-api: node_modules
	$(BUILD)
	scripts/fuzz-api $(FUZZ_FLAGS)

# Proofs of a worker against the same in a loop, and submissions a second over HTTP; then jobs a second
# to the chain, by the delay of the node.
bench-service: node_modules
	cargo build $(CARGO_FLAGS) --workspace --example bench_service
	"$${CARGO_TARGET_DIR:-target}/release/examples/bench_service"
	cargo test $(CARGO_FLAGS) --workspace --test stories -- --ignored --exact --nocapture \
	    service_pace::jobs_a_second_by_the_delay_of_a_node

# The engine's tests under AddressSanitizer (x86-64 Linux). The compiler has it, but
# hides it behind a switch.
sanitize:
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo test $(CARGO_FLAGS) \
	    --target x86_64-unknown-linux-gnu --target-dir "$${CARGO_TARGET_DIR:-target}/sanitize" \
	    --package verdict-engine --lib --tests

# Random and edge inputs through every kernel of every backend, a minute of them.
fuzz:
	cargo run $(CARGO_FLAGS) --package verdict-engine --example fuzz_kernels -- 60

SOLIDITY = contracts/src contracts/test examples/consumer/src examples/consumer/test
fmt: node_modules
	cargo fmt --all
	scripts/foundry forge fmt $(SOLIDITY)

lint: node_modules
	cargo fmt --all --check
	scripts/foundry forge fmt --check $(SOLIDITY)
	scripts/foundry forge build
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- --deny warnings

doc:
	RUSTDOCFLAGS="--deny warnings" cargo doc $(CARGO_FLAGS) --workspace --no-deps

node_modules: package-lock.json
	npm ci --no-audit --no-fund
	touch node_modules

# The two commands of the README, and what else is worth typing. Each does its own set-up.
#
# Build products live outside the clone, so that a fresh clone on the same machine does not compile RocksDB's C++ again.
# CARGO_TARGET_DIR, set by hand, wins.

SHELL := /bin/sh
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
export CARGO_TARGET_DIR ?= $(CACHE)/oarlock/target
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help demo test bench chaos setup clean

help:
	@echo "make demo    build Oarlock, start a node, run two workflows over real data on this machine"
	@echo "make test    everything that must hold: format, lints, tests, documentation, licences"
	@echo "make bench   how fast one node is on this machine's disk, as a table and as JSON"
	@echo "make chaos   break a real cluster of three for a minute, and have what clients saw judged and drawn"
	@echo "make setup   install what the build needs (the others do this by themselves)"
	@echo "make clean   delete the demo's data; build products stay in $(CARGO_TARGET_DIR)"

setup:
	@sh .ci/setup

demo: setup
	cargo build --release --locked --package oarlock
	@sh examples/demo.sh "$(CARGO_TARGET_DIR)/release/oarlock"

test: setup
	@sh .ci/setup-clock
	cargo verify

bench: setup
	cargo run --release --locked --package oarlock-bench -- single

chaos: setup
	cargo build --release --locked --package oarlock --package oarlock-chaos
	@rm -rf .oarlock-chaos
	@chaos="$(CARGO_TARGET_DIR)/release/oarlock-chaos"; "$$chaos" run --workload submit,register,signals,flow,owner \
	  --nemesis kill,pause,partition --time 60 --out .oarlock-chaos; code=$$?; "$$chaos" report .oarlock-chaos; exit $$code

clean:
	rm -rf .oarlock-demo .oarlock-chaos

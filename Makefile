# Thin: each target is one line that can be typed as well.
.DEFAULT_GOAL := help
SHELL := /bin/sh
HOSTS ?= 1

help: ## Show the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: ## Make .venv with all that a controller and the lab need
	@scripts/setup lab

demo: setup ## Deploy the sample app in a lab on this machine, from nothing
	@scripts/demo

demo-down: ## Remove the lab and all it left, its images too
	@scripts/setup lab && .venv/bin/python -m lab down --images

lab-up: setup ## Start the lab alone; HOSTS=2 for two hosts
	@.venv/bin/python -m lab up --hosts $(HOSTS)

lab-down: setup ## Stop the lab; its images stay
	@.venv/bin/python -m lab down

lab-status: setup ## Say what the lab runs
	@.venv/bin/python -m lab status

test: ## Run each feature once, as CI does; up to 25 minutes on two quiet cores
	@scripts/setup test && scripts/test

test-all: ## Run every test there is, part by part; hours
	@scripts/setup test && scripts/test all

check: ## Look at formats, types, secrets, headers, and options of roles; seconds
	@scripts/setup test && scripts/test check

test-fast: ## Run lint and unit tests only
	@scripts/setup test && scripts/test check lint unit

test-matrix: ## Run what needs no lab with each ansible-core that is supported, or with PYTHONS="3.12" for one; half an hour
	@scripts/matrix $(PYTHONS)

test-e2e: ## Run all end-to-end tests in the lab, thorough ones too; twenty minutes
	@scripts/setup test && scripts/test all e2e

test-empty: ## Go from an empty account to the running stack and back, in the lab; five minutes
	@scripts/setup test && scripts/test empty

test-molecule: ## Run each role by itself with Molecule, as its options say; over half an hour
	@scripts/setup test && scripts/test molecule molecule-lab

test-faults: ## Break releases in every way in the lab, and measure downtime; over an hour
	@scripts/setup test && scripts/test faults

test-images: ## Build and run an app with each Dockerfile there is to copy; five minutes
	@scripts/setup test && scripts/test images

docs: ## Build the documentation's site in build/docs/html
	@scripts/setup test && scripts/docs

release: ## Build and check the tarball of a release in build/release; publishes nothing
	@scripts/setup test && scripts/test release && scripts/release

requirements: ## Bring requirements/*.txt to the newest versions that requirements/*.in allow
	@scripts/setup test && scripts/requirements --upgrade

bench: ## Measure what deploys cost, in the lab, into docs/numbers.md; PARTS="cost time" for some of it
	@scripts/setup test && scripts/bench $(PARTS)

.PHONY: help setup demo demo-down lab-up lab-down lab-status check test test-all test-fast test-matrix test-e2e test-empty test-molecule test-faults
.PHONY: test-images docs release requirements bench

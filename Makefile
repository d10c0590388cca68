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

test: ## Run all tests, as CI does
	@scripts/setup test && scripts/test all

test-fast: ## Run lint and unit tests only
	@scripts/setup test && scripts/test lint unit

test-e2e: ## Run the end-to-end tests in the lab only
	@scripts/setup test && scripts/test e2e

test-faults: ## Break releases in every way in the lab, and measure downtime; half an hour, and not part of test
	@scripts/setup test && scripts/test faults

bench: ## Measure what deploys cost, in the lab, into docs/numbers.md; PARTS="cost time" for some of it
	@scripts/setup bench && scripts/bench $(PARTS)

.PHONY: help setup demo demo-down lab-up lab-down lab-status test test-fast test-e2e test-faults bench

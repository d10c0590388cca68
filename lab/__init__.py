"""An AWS account on one machine: see README.md in this folder. `python -m lab --help` lists the commands."""

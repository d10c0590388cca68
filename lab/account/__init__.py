"""The lab's AWS account in one process: moto behind a thin front, the session gateway and an instance metadata service.

Run it with ``python -m lab.account``; ``__main__`` lists its environment variables.
"""

"""A simulation of the queue, its metrics, ECS and the autoscaler's real `decide`, against its
peers.

    python -m benchmarks.autoscaling report        the tables and plots of docs/autoscaling.md
    python -m benchmarks.autoscaling simulate      what one environment's parameters give for one
    trace

traces.py makes arrivals, world.py moves the jobs and the workers, policies.py decides, study.py
runs many seeds and computes the measures, plots.py draws. Deterministic: everything random comes
from the seed.
"""

import sys
from pathlib import Path

# The function's folder is named by a Python keyword (lambda) and is the root of its zip, not a
# package.
sys.path.insert(0, str(Path(__file__).parents[2] / "lambda" / "autoscaling"))

"""python -m benchmarks.autoscaling.cold_start: import times of the handlers, and the memory of one
tick.

Paired runs, A B A B ..., each in a new process: `import boto3` alone, and each handler. The figures
of the tick are of an autoscaler that reads, decides and updates against moto's server: elapsed
time, and VmHWM, the peak of the resident set
(https://man7.org/linux/man-pages/man5/proc_pid_status.5.html).
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

LAMBDA = Path(__file__).parents[2] / "lambda"
IMPORT = """
import sys, time
sys.path.insert(0, sys.argv[1])
before = time.perf_counter()
import {module}
print(time.perf_counter() - before)
"""
TICK = """
import sys, time
sys.path.insert(0, sys.argv[1])
before = time.perf_counter()
import lambda_function
lambda_function.sys.stdout = open("/dev/null", "w")
lambda_function.lambda_handler({}, None)
print(time.perf_counter() - before, dict(line.split(":", 1) for line in open("/proc/self/status"))["VmHWM"].split()[0],
      file=sys.__stdout__)
"""


def run(code: str, folder: Path, variables: dict[str, str] | None = None) -> list[float]:
    command = [sys.executable, "-c", code, str(folder)]
    environment = {**os.environ, **(variables or {})}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return [float(word) for word in done.stdout.split()]


def imports(rounds: int) -> None:
    modules = {
        "boto3": "boto3",
        "autoscaling": "lambda_function",
        "queue_metrics": "lambda_function",
    }
    times: dict[str, list[float]] = {name: [] for name in modules}
    for _ in range(rounds + 1):
        for name, module in modules.items():
            times[name] += run(IMPORT.format(module=module), LAMBDA / name)
    for name, found in times.items():
        ratios = [a / b for a, b in zip(found[1:], times["boto3"][1:], strict=True)]
        print(
            f"import {name:14s} {median(found[1:]) * 1000:6.0f} ms   {median(ratios):.2f} x boto3"
        )


def tick(rounds: int) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-2"}
    variables |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    variables |= {"ECS_CLUSTER": "c", "ECS_SERVICE": "s", "METRIC_ENVIRONMENT": "bench"}
    os.environ |= variables
    ecs = boto3.client("ecs")
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(
        family="f", containerDefinitions=[{"name": "a", "image": "a", "memory": 1}]
    )
    ecs.create_service(cluster="c", serviceName="s", taskDefinition="f", desiredCount=1)
    found = []
    for _ in range(rounds):
        ecs.update_service(cluster="c", service="s", desiredCount=1)
        found.append(run(TICK, LAMBDA / "autoscaling"))
    server.stop()
    seconds, peaks = zip(*found, strict=True)
    print(
        f"cold tick, import and three calls: {median(seconds):.2f} s; peak memory {max(peaks) / 1024:.0f} MiB"
    )


if __name__ == "__main__":
    imports(rounds=15)
    tick(rounds=5)

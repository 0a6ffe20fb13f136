"""How long rendering takes, against cfn-lint and sceptre, in paired runs.

    python -m benchmarks.rendering            everything (some minutes)
    python -m benchmarks.rendering --sizes 10 100

Each row alternates our command and the peer's, A B A B …, and gives the medians and the median of
the pairwise ratios, so that a machine that slows down midway changes both. sceptre is installed
into a virtual environment of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

from stackwright.core import CACHE_FOLDER

HERE = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
CFN_LINT = str(Path(sys.executable).with_name("cfn-lint"))
RESOURCES = 20


def main() -> None:
    """Run the benchmarks and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[10, 100, 500], help="nested stacks of the project"
    )
    parser.add_argument("--runs", type=int, default=5, help="pairs of runs")
    options = parser.parse_args()
    print("| what | ours, s | peer | peer, s | ratio |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ[CACHE_FOLDER] = str(Path(folder, "cache"))
        project = Path(folder, "euglena")
        shutil.copytree(
            HERE, project, ignore=shutil.ignore_patterns(".git", ".venv*", ".stackwright", "tests")
        )
        _euglena(project, options.runs)
        sceptre = _sceptre(HERE / ".stackwright" / "sceptre")
        for size in options.sizes:
            _generated(
                Path(folder, str(size)), size, sceptre, max(2, options.runs if size < 500 else 3)
            )


def _euglena(project: Path, runs: int) -> None:
    ours = [PYTHON, str(project / "render.py"), "render", "--project", str(project)]
    files = sorted(str(path) for path in (project / "build/prod").rglob("*.yaml"))
    everything = sorted(str(path) for path in (project / "build").rglob("*.yaml"))
    lint = [CFN_LINT, "--ignore-checks", "W3002", "--"]
    _run([*ours, "--env", "prod"])
    _row("prod, nothing changed", [*ours, "--env", "prod"], "cfn-lint", [*lint, *files], runs)

    counter = iter(range(1000))
    changed = [*ours, "--env", "prod", "--set", "gateway.cpu=2048"]
    _row(
        "prod, one parameter changed",
        lambda: [*changed, "--set", f"gateway.memory={4096 + 1024 * next(counter)}"],
        "cfn-lint",
        [*lint, *files],
        min(runs, 8),
    )
    _run([*ours, "--env", "prod"])

    def cold() -> list[str]:
        shutil.rmtree(os.environ[CACHE_FOLDER], ignore_errors=True)
        return [*ours, "--all"]

    _row("all environments, cold", cold, "cfn-lint", [*lint, *everything], max(2, runs // 2))


def _generated(folder: Path, size: int, sceptre: str, runs: int) -> None:
    _our_project(folder / "ours", size)
    _sceptre_project(folder / "sceptre", size)
    ours = [
        PYTHON,
        str(HERE / "render.py"),
        "render",
        "--no-lint",
        "--env",
        "dev",
        "--project",
        str(folder / "ours"),
    ]
    peer = [sceptre, "--dir", str(folder / "sceptre"), "generate", "dev"]
    _row(f"{size} stacks of {RESOURCES} resources, no lint", ours, "sceptre generate", peer, runs)


_TEMPLATE = """\
AWSTemplateFormatVersion: "2010-09-09"
Description: {{{{ {prefix}project }}}} part {number}
{parameters}
Resources:
{{% for number in range({resources}) %}}
  Topic{{{{ number }}}}:
    Type: AWS::SNS::Topic
    Properties:
      TopicName: {{{{ {prefix}project }}}}-{number}-{{{{ number }}}}
      DisplayName: "{{{{ {prefix}title }}}} {{{{ number }}}}"
      Tags:
        - Key: team
          Value: {{{{ {prefix}team }}}}
{{% endfor %}}
Outputs:
  Topic{number}Arn:
    Value: !Ref Topic0
"""


def _template(number: int, prefix: str) -> str:
    before = f"Topic{number - 1}Arn"
    parameters = (
        f"Parameters:\n  {before}: {{Type: String, Description: the topic before}}\n"
        if number
        else ""
    )
    text = _TEMPLATE.format(
        number=number, parameters=parameters, prefix=prefix, resources=RESOURCES
    )
    return text.replace("!Ref Topic0", f"!Ref {before}") if number else text


def _our_project(folder: Path, size: int) -> None:
    (folder / "params").mkdir(parents=True)
    (folder / "templates/app").mkdir(parents=True)
    names = ", ".join(f"part{number}" for number in range(size))
    text = f"project: bench\ntitle: A title\nteam: platform\nstacks:\n  - app: [{names}]\n"
    (folder / "params/defaults.yaml").write_text(text)
    (folder / "params/dev.yaml").write_text("team: dev\n")
    last = f"!GetAtt Part{size - 1}.Outputs.Topic{size - 1}Arn"
    root = f"Description: bench\nResources:\n  {{{{ nested_stacks() }}}}\nOutputs:\n  Last:\n    Value: {last}\n"
    (folder / "templates/app.yaml.j2").write_text(root)
    for number in range(size):
        (folder / f"templates/app/part{number}.yaml.j2").write_text(_template(number, ""))


def _sceptre_project(folder: Path, size: int) -> None:
    (folder / "config/dev").mkdir(parents=True)
    (folder / "templates").mkdir()
    (folder / "config/config.yaml").write_text("project_code: bench\nregion: us-east-2\n")
    for number in range(size):
        data = "sceptre_user_data: {project: bench, title: A title, team: dev}"
        config = f"template: {{path: part{number}.yaml.j2}}\n{data}\n"
        (folder / f"config/dev/part{number}.yaml").write_text(config)
        (folder / f"templates/part{number}.yaml.j2").write_text(
            _template(number, "sceptre_user_data.")
        )


def _sceptre(folder: Path) -> str:
    command = folder / "bin" / "sceptre"
    if not command.exists():
        venv.create(folder, with_pip=True)
        _run([str(folder / "bin/pip"), "install", "-q", "--disable-pip-version-check", "sceptre"])
    return str(command)


Command = Sequence[str] | Callable[[], Sequence[str]]


def _row(what: str, ours: Command, name: str, peer: Command, runs: int) -> None:
    times = [(_time(ours), _time(peer)) for _ in range(runs)]
    mine = statistics.median(first for first, _ in times)
    theirs = statistics.median(second for _, second in times)
    ratio = statistics.median(first / second for first, second in times)
    print(f"| {what} | {mine:.2f} | {name} | {theirs:.2f} | {ratio:.2f} |", flush=True)


def _time(command: Command) -> float:
    arguments = command() if callable(command) else command
    start = time.perf_counter()
    _run(arguments)
    return time.perf_counter() - start


def _run(arguments: Sequence[str]) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments[:6])} …\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()

"""Plays what a newcomer does on a fresh copy of the project, in a real terminal (tmux), and keeps
each screen as SVG.

Run it with ``.venv/bin/python docs/transcripts/record.py``. Each scene is typed and answered like a person would, and its
whole output, colours included, becomes ``docs/transcripts/<scene>.svg``; of some the plan is kept
in Markdown too, as a pull request or an approval shows it.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WIDTH = 118
"""Columns of the terminal."""
PROMPT = "$ "
PATIENCE = 180.0
"""Seconds until a scene must have ended."""
_SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; }}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


@dataclass(frozen=True, slots=True)
class Edit:
    """Text in a file of the copy that becomes another; it must be there."""

    file: str
    old: str
    new: str

    def apply(self, folder: Path) -> None:
        """Raises ValueError where the file does not hold the text."""
        path = folder / self.file
        text = path.read_text(encoding="utf-8")
        if self.old not in text:
            raise ValueError(f"{self.file} does not hold {self.old!r}")
        path.write_text(text.replace(self.old, self.new, 1), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Scene:
    """A command as it is typed; ``answers`` are typed when the text before each of them is on the
    screen. Before it an edit is made, and with ``undo`` taken back after it; ``before`` are verbs
    whose output nobody sees."""

    name: str
    command: str
    answers: tuple[tuple[str, str], ...] = ()
    edit: Edit | None = None
    undo: bool = False
    before: tuple[str, ...] = ()
    markdown: bool = False


def hidden(folder: Path, *commands: str) -> str:
    """Run verbs unseen; what the last of them gives."""
    out = ""
    for command in commands:
        line = [sys.executable, "render.py", *shlex.split(command)]
        out = subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True).stdout
    return out


YES = (("[y/N]", "y"),)
LOCAL = "params/local.yaml"
AGENT = "agent: {repository: euglena-local/agent"
SIDECAR = "state: {topology: sidecar, accept_split_state: true}\n\ngateway:\n  memory: 4096\n"
CLIENTS = "        {% for client in ['gateway'] + workers %}\n"
NEIGHBOURS = "        - {Description: Neighbours, IpProtocol: tcp, FromPort: 6379, ToPort: 6379, CidrIp: 10.0.0.0/8}\n"
SCENES = [
    Scene("deploy", "make deploy", YES),
    Scene("status", "make status"),
    Scene(
        "aws-cli",
        'eval "$(python render.py emulator start)" && aws cloudformation describe-stacks '
        '--query "Stacks[].[StackName,StackStatus]" --output table | cat',
    ),
    Scene("nothing", "make deploy"),
    Scene(
        "secret",
        "make deploy",
        YES,
        Edit("env/local/keys.env", "OPENAI_API_KEY=local", "OPENAI_API_KEY=another"),
    ),
    Scene(
        "image",
        "make deploy",
        YES,
        Edit(LOCAL, f"{AGENT}}}", f"{AGENT}, tag: 1.0.1}}"),
        markdown=True,
    ),
    Scene("rollback", "make rollback RELEASE=1", YES),
    Scene("history", "make history"),
    Scene(
        "variable",
        "make plan",
        (),
        Edit("env/local/.env", "MODEL_NAME=", "NEW_FLAG=on\nMODEL_NAME="),
        undo=True,
        markdown=True,
        before=("deploy --env local --yes",),
    ),
    Scene(
        "namespace",
        "make plan",
        (),
        Edit(LOCAL, "local.euglena.local", "other.euglena.local"),
        undo=True,
        markdown=True,
    ),
    Scene(
        "file-system", "make plan", (), Edit(LOCAL, "gateway:\n", SIDECAR), undo=True, markdown=True
    ),
    Scene(
        "opening",
        "make plan",
        (),
        Edit("templates/app/security.yaml.j2", CLIENTS, NEIGHBOURS + CLIENTS),
        undo=True,
        markdown=True,
    ),
    Scene(
        "failure",
        "make deploy ARGS=--yes",
        (),
        Edit("env/local/.env", "MODEL_NAME=", "NEW_FLAG=on\nMODEL_NAME="),
        before=(
            "emulator latency 0.02",
            "emulator fault resource --reason 'ECS Deployment Circuit Breaker was triggered' --operation update "
            "--type AWS::ECS::Service",
        ),
    ),
    Scene("destroy", "make destroy", (("type local", "local"),), before=("emulator latency 0",)),
]
"""In this order on one copy; what a scene changes stays for those after it, unless it is taken
back."""


class Terminal:
    """A tmux session of its own, with a shell in a folder."""

    def __init__(self, folder: Path, socket: Path) -> None:
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        path = f"{folder / '.venv/bin'}:$PATH"
        outside = "-u MAKELEVEL -u MAKEFLAGS -u MFLAGS"  # make would tell of its folders
        shell = (
            f"env {outside} PS1='{PROMPT}' PATH={path} TERM=xterm-256color bash --norc --noprofile"
        )
        size = ["-x", str(WIDTH), "-y", "400"]
        self._run("new-session", "-d", "-s", "s", *size, "-c", str(folder), shell)

    def _run(self, *arguments: str) -> str:
        return subprocess.run(
            [*self._tmux, *arguments], check=True, capture_output=True, text=True
        ).stdout

    def screen(self, *options: str) -> str:
        """What is on the screen; with ``-e`` colours included."""
        return self._run("capture-pane", "-p", *options, "-t", "s").rstrip()

    def type(self, text: str) -> None:
        """A line, and Enter."""
        self._run("send-keys", "-t", "s", "-l", text)
        self._run("send-keys", "-t", "s", "Enter")

    def clear(self) -> None:
        """An empty screen with a prompt."""
        self._run("send-keys", "-t", "s", "C-l")
        time.sleep(0.3)

    def wait(self, ready: Callable[[str], object]) -> None:
        """Until the screen is so. Raises TimeoutError with what it shows."""
        end = time.monotonic() + PATIENCE
        while not ready(self.screen()):
            if time.monotonic() > end:
                raise TimeoutError(self.screen())
            time.sleep(0.2)

    def close(self) -> None:
        """End the session and what runs in it."""
        self._run("kill-server")


def play(terminal: Terminal, scene: Scene) -> str:
    """The screen of a scene, with colours."""
    terminal.clear()
    terminal.type(scene.command)
    for question, answer in scene.answers:
        terminal.wait(partial(re.search, re.escape(question)))
        terminal.type(answer)
    terminal.wait(
        lambda screen: len(screen) > len(scene.command) + 5 and screen.endswith(PROMPT.strip())
    )
    lines = terminal.screen("-e").splitlines()
    return "\n".join(lines[:-1])


def as_svg(screen: str, title: str) -> str:
    """A picture of the screen."""
    with Console(
        record=True, width=WIDTH, file=Path("/dev/null").open("w"), force_terminal=True
    ) as console:
        console.print(Text.from_ansi(screen), end="\n\n")  # the picture ends within the last line
    return console.export_svg(title=title, theme=MONOKAI, code_format=_SVG, unique_id="t")


def copy(folder: Path) -> None:
    """The project as a clone has it, with what is installed already."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "add", "."], cwd=folder, check=True)


def record(terminal: Terminal, folder: Path, scene: Scene) -> None:
    """Prepare a scene, play it, keep it, and take back what it changed."""
    hidden(folder, *scene.before)
    if scene.edit:
        scene.edit.apply(folder)
    if scene.markdown:
        plan = hidden(folder, "plan --env local --format markdown")
        (HERE / f"{scene.name}.md").write_text(plan, encoding="utf-8")
    screen = play(terminal, scene)
    (HERE / f"{scene.name}.svg").write_text(as_svg(screen, scene.command), encoding="utf-8")
    if scene.edit and scene.undo:
        Edit(scene.edit.file, scene.edit.new, scene.edit.old).apply(folder)
    sys.stderr.write(f"docs/transcripts/{scene.name}.svg\n")


def main() -> None:
    """Record all scenes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "euglena"
        folder.mkdir()
        copy(folder)
        terminal = Terminal(folder, Path(temporary) / "tmux")
        try:
            for scene in SCENES:
                record(terminal, folder, scene)
        finally:
            terminal.close()
            hidden(folder, "emulator stop")


if __name__ == "__main__":
    main()

"""secrets status, diff and push against moto's Secrets Manager: keys by name, values nowhere."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackwright.artifacts.secrets import (
    KEPT,
    KeyState,
    KeyValues,
    SecretDifference,
    compare_secrets,
    keep_version,
    push_secrets,
    read_secret_status,
)
from stackwright.aws import Boto
from stackwright.core.errors import AwsError, StackwrightError
from stackwright.core.model import Config
from tests.support.aws import ACCOUNT, REGION, Refusals, client
from tests.support.fakes import FakeAws, FakeSecret
from tests.support.projects import Project, files

Make = Callable[..., Project]
OPENAI, SEARCH = "sk-Zq7openaiVALUE0001", "search-Wx9VALUE-ü-\"quote'0002"
FILES = {
    "params/defaults.yaml": (
        f"title: x\nregion: us-east-2\naccount_id: '{ACCOUNT}'\nsecrets: {{app: {{name: team/app}}}}\n"
    ),
    "env/dev/keys.env.example": "OPENAI_API_KEY=\nSEARCH_API_KEY=\n",
    "env/dev/keys.env": f"OPENAI_API_KEY={OPENAI}\nSEARCH_API_KEY='{SEARCH.replace(chr(39), chr(92) + chr(39))}'\n",
}


@pytest.fixture
def ready(project: Make, moto: str) -> Project:
    """A project whose secret exists, without a value, as the template makes it."""
    client("secretsmanager").create_secret(Name="team/app")
    return project(FILES)


def current() -> dict[str, str]:
    value: dict[str, str] = json.loads(
        client("secretsmanager").get_secret_value(SecretId="team/app")["SecretString"]
    )
    return value


def versions() -> dict[str, list[str]]:
    stages: dict[str, list[str]] = client("secretsmanager").describe_secret(SecretId="team/app")[
        "VersionIdsToStages"
    ]
    return stages


def test_push_puts_one_json_object_once(ready: Project) -> None:
    first = ready.invoke("secrets", "push", "--env", "dev", "--format", "json")
    assert first.exit_code == 0, first.stderr
    assert current() == {"OPENAI_API_KEY": OPENAI, "SEARCH_API_KEY": SEARCH}
    (status,) = json.loads(first.stdout)
    assert status == {
        "name": "team/app",
        "version": None,
        "added": ["OPENAI_API_KEY", "SEARCH_API_KEY"],
        "changed": [],
        "removed": [],
        "pushed": next(version for version, labels in versions().items() if "AWSCURRENT" in labels),
    }
    again = ready.invoke("secrets", "push", "--env", "dev")
    assert again.stdout == f"team/app: up to date, version {status['pushed']}\n"
    assert len(versions()) == 1


def test_change_is_shown_by_names_and_creates_one_version(ready: Project) -> None:
    ready.invoke("secrets", "push", "--env", "dev")
    (before,) = versions()
    ready.write(
        {
            "env/dev/keys.env": f"OPENAI_API_KEY=sk-other-VALUE-0003\nNEW_TOKEN={SEARCH[:12]}\n",
            "env/dev/keys.env.example": "OPENAI_API_KEY=\nNEW_TOKEN=\n",
        }
    )
    shown = ready.invoke("secrets", "diff", "--env", "dev")
    assert shown.stdout == "team/app:\n  + NEW_TOKEN\n  ~ OPENAI_API_KEY\n  - SEARCH_API_KEY\n"
    assert shown.exit_code == 0
    assert ready.invoke("secrets", "diff", "--env", "dev", "--detailed-exitcode").exit_code == 2
    assert len(versions()) == 1
    pushed = ready.invoke("secrets", "push", "--env", "dev").stdout.splitlines()
    assert pushed[1:] == ["  + NEW_TOKEN", "  ~ OPENAI_API_KEY", "  - SEARCH_API_KEY"]
    after = pushed[0].removeprefix("team/app: version ")
    assert versions()[after] == ["AWSCURRENT"]
    assert versions()[before] == ["AWSPREVIOUS"]
    assert ready.invoke("secrets", "diff", "--env", "dev", "--detailed-exitcode").exit_code == 0


def test_status_shows_the_state_of_each_key(
    ready: Project,
) -> None:
    before = ready.invoke("secrets", "status", "--env", "dev")
    assert before.exit_code == 1
    assert (
        before.stdout
        == "team/app: no value yet\n  missing  OPENAI_API_KEY\n  missing  SEARCH_API_KEY\n"
    )
    assert "next: stackwright secrets push --env dev" in before.stderr
    ready.invoke("secrets", "push", "--env", "dev")
    (version,) = versions()
    (ready.folder / "env/dev/keys.env").unlink()  # status needs no values of its own
    after = ready.invoke("secrets", "status", "--env", "dev")
    assert after.exit_code == 0
    assert (
        after.stdout
        == f"team/app: version {version}\n  ok       OPENAI_API_KEY\n  ok       SEARCH_API_KEY\n"
    )
    held = json.dumps({"OPENAI_API_KEY": "", "OTHER": "x"})
    client("secretsmanager").put_secret_value(SecretId="team/app", SecretString=held)
    wrong = ready.invoke("secrets", "status", "--env", "dev", "--format", "json")
    assert wrong.exit_code == 1
    (status,) = json.loads(wrong.stdout)
    assert status["keys"] == {
        "OPENAI_API_KEY": "empty",
        "OTHER": "unknown",
        "SEARCH_API_KEY": "missing",
    }
    assert status["ready"] is False


def test_status_of_a_missing_secret(project: Make, moto: str) -> None:
    result = project(FILES).invoke("secrets", "status", "--env", "dev")
    assert result.exit_code == 1
    assert result.stdout.startswith("team/app: does not exist\n")
    assert result.stderr == "next: deploy the stack with the secret\n"


@pytest.mark.parametrize(
    ("ignored", "said"),
    [
        (None, "-> copy env/dev/keys.env.example to env/dev/keys.env and fill it in\n"),
        ("", "and fill it in, after adding keys.env to .gitignore: git does not ignore it\n"),
        ("keys.env\n", "and fill it in; git ignores it\n"),
    ],
)
def test_hint_says_whether_git_ignores_keys_env(
    project: Make, moto: str, ignored: str | None, said: str
) -> None:
    made = project({**FILES, "env/dev/keys.env": None})
    if ignored is not None:
        made.write({".gitignore": ignored})
        subprocess.run(["git", "init", "-q"], cwd=made.folder, check=True)
    assert said in made.invoke("secrets", "push", "--env", "dev").stderr


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"env/dev/keys.env": None}, "SW420", "env/dev/keys.env does not exist"),
        (
            {"env/dev/keys.env": "OPENAI_API_KEY=\nSEARCH_API_KEY=x\n"},
            "SW421",
            "OPENAI_API_KEY is missing or empty",
        ),
        (
            {"env/dev/keys.env": "SEARCH_API_KEY=x\n"},
            "SW024",
            "OPENAI_API_KEY is missing from keys.env",
        ),
        (
            {"env/dev/keys.env": "SEARCH_API_KEY=x\nOPENAI_API_KEY=" + "y" * 65_536},
            "SW422",
            "65,536 bytes",
        ),
        ({"params/defaults.yaml": "title: x\n"}, "SW423", "names no secret"),
        (
            {"params/defaults.yaml": "title: x\naccount_id: '999988887777'\n"},
            "SW404",
            "parameters for 999988887777",
        ),
        ({}, "SW424", "the secret team/app does not exist"),
    ],
)
def test_mistake_is_refused_before_anything_is_put(
    project: Make, moto: str, changes: dict[str, str | None], code: str, words: str
) -> None:
    made = project({**FILES, **changes})
    result = made.invoke("secrets", "push", "--env", "dev")
    assert result.exit_code == 1
    assert code in result.stderr
    assert words in result.stderr
    assert result.stdout == ""
    assert client("secretsmanager").list_secrets()["SecretList"] == []


def test_secret_scheduled_for_deletion_is_refused(ready: Project) -> None:
    client("secretsmanager").delete_secret(SecretId="team/app", RecoveryWindowInDays=7)
    result = ready.invoke("secrets", "push", "--env", "dev")
    assert result.exit_code == 1
    assert "SW425 the secret team/app is scheduled for deletion on 20" in result.stderr
    assert "aws secretsmanager restore-secret --secret-id team/app" in result.stderr


@pytest.mark.parametrize("value", ["[1, 2]", "text", '{"OPENAI_API_KEY": 1}'])
def test_value_that_is_not_an_object_is_replaced_and_mentioned(ready: Project, value: str) -> None:
    client("secretsmanager").put_secret_value(SecretId="team/app", SecretString=value)
    assert (
        "(the present value is no JSON object of texts"
        in ready.invoke("secrets", "diff", "--env", "dev").stdout
    )
    assert ready.invoke("secrets", "push", "--env", "dev").exit_code == 0
    assert current()["OPENAI_API_KEY"] == OPENAI


def test_keys_env_is_read_from_env_dir(ready: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "services"
    elsewhere.mkdir()
    for name in ("keys.env", "keys.env.example"):
        (ready.folder / "env/dev" / name).rename(elsewhere / name)
    result = ready.invoke("secrets", "push", "--env", "dev", "--env-dir", str(elsewhere))
    assert result.exit_code == 0, result.stderr
    assert current()["SEARCH_API_KEY"] == SEARCH


def traced(ready: Project, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return ready.run(*arguments, "--env", "dev", **environment)


def test_no_value_is_written_anywhere(ready: Project, refusals: Refusals, tmp_path: Path) -> None:
    """Each verb, where it succeeds and where it fails, with all that it printed and every file that
    it left."""
    outputs = [traced(ready, "secrets", verb) for verb in ("diff", "push", "status", "diff")]
    ready.write({"env/dev/keys.env": FILES["env/dev/keys.env"].replace("0001", "0009Qz7kT4")})
    refusals.echo = True  # AWS that repeats the request in its message
    for code, status in (("InvalidParameterException", 400), ("InternalServiceError", 500)):
        refusals.code, refusals.status = code, status
        refusals.answers = {}
        outputs.append(
            traced(ready, "secrets", "push", AWS_ENDPOINT_URL=refusals.url, AWS_MAX_ATTEMPTS="1")
        )
        refusals.answers = {
            "DescribeSecret": {"ARN": "arn", "Name": "team/app", "VersionIdsToStages": {}}
        }
        service = {"AWS_ENDPOINT_URL_SECRETS_MANAGER": refusals.url, "AWS_MAX_ATTEMPTS": "1"}
        outputs.append(traced(ready, "secrets", "push", **service))
    assert sum(b"0009Qz7kT4" in request for request in refusals.requests) == 2
    ready.write(
        {"env/dev/keys.env": FILES["env/dev/keys.env"] + "OPENAI_API_KEY=twice-VALUE-0004\n"}
    )
    outputs.append(traced(ready, "secrets", "push"))
    ready.write({"env/dev/keys.env": FILES["env/dev/keys.env"] + f"{OPENAI} {SEARCH}\n"})
    outputs.append(traced(ready, "secrets", "push"))
    outputs += [
        traced(ready, "render", "--no-lint"),
        traced(ready, "package", "--no-lint", "--out", str(tmp_path / "o")),
    ]
    assert [output.returncode for output in outputs] == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    assert [output.stderr for output in outputs if "Traceback" in output.stderr] == []
    (ready.folder / "env/dev/keys.env").unlink()
    written = b"".join(
        [
            *files(tmp_path).values(),
            *(output.stdout.encode() + output.stderr.encode() for output in outputs),
        ]
    )
    for value in (OPENAI, "0009Qz7kT4", SEARCH, "search-Wx9VALUE", "twice-VALUE-0004", "VALUE"):
        assert value.encode() not in written


def test_no_value_is_in_the_arguments_of_a_process(ready: Project, tmp_path: Path) -> None:
    """strace would show more, but is not everywhere: every process that Python starts passes this
    audit hook."""
    log = tmp_path / "audit"
    hook = tmp_path / "site" / "sitecustomize.py"
    hook.parent.mkdir()
    hook.write_text(
        "import sys\n"
        "def hook(event, args):\n"
        "    if event in ('subprocess.Popen', 'os.exec', 'os.posix_spawn', 'os.system', 'os.spawn'):\n"
        f"        open({str(log)!r}, 'a').write(repr(args) + '\\n')\n"
        "sys.addaudithook(hook)\n"
    )
    log.write_text(repr(os.environ.get("PATH")))
    assert traced(ready, "secrets", "push", PYTHONPATH=str(hook.parent)).returncode == 0
    assert "VALUE" not in log.read_text()


def test_all_secrets_are_compared_before_one_is_put() -> None:
    aws = FakeAws(
        secrets={"one": FakeSecret(), "two": FakeSecret(deleted=datetime(2026, 1, 2, tzinfo=UTC))}
    )
    with pytest.raises(StackwrightError) as caught:
        compare_secrets(config("one", "two", "three"), KeyValues({"A": "1"}), aws)
    assert [problem.code for problem in caught.value.problems] == ["SW425", "SW424"]
    assert aws.puts == 0


def config(*names: str) -> Config:
    from stackwright.core.model import Dotenv

    dotenv = Dotenv({}, ("A", "B"), {}, {}, {})
    secrets = {f"s{index}": {"name": name} for index, name in enumerate(names)}
    return Config(Path("/"), "dev", {"secrets": secrets}, {}, (), dotenv)


_KEYS = st.dictionaries(st.sampled_from("ABCD"), st.text(st.characters(codec="utf-8"), min_size=1))


@given(before=_KEYS, after=_KEYS)
def test_secret_holds_exactly_the_keys_after_a_push(
    before: dict[str, str], after: dict[str, str]
) -> None:
    aws = FakeAws(secrets={"app": FakeSecret({"v0": KeyValues(before).text()})})
    (difference,) = compare_secrets(config("app"), KeyValues(after), aws)
    assert difference.empty == (before == after)
    assert set(difference.added) == after.keys() - before.keys()
    assert set(difference.removed) == before.keys() - after.keys()
    assert set(difference.changed) == {
        key for key in before.keys() & after.keys() if before[key] != after[key]
    }
    pushed = push_secrets([difference], KeyValues(after), aws)["app"]
    assert json.loads(aws.secret_value("app", pushed)) == after
    assert aws.puts == (before != after)
    (status,) = read_secret_status(config("app"), aws)
    assert status.ready == {"A", "B"}.issubset(after)
    assert all(
        (state is KeyState.OK) == (key in "AB" and key in after)
        for key, state in status.keys.items()
    )
    (again,) = compare_secrets(config("app"), KeyValues(after), aws)
    assert again.empty


def test_status_lists_the_keys_that_lack_a_value() -> None:
    value = KeyValues({"A": "1", "B": "2"}).text()
    secrets = {
        "one": FakeSecret({"v1": "old", "v2": value}),
        "two": FakeSecret({"v3": '{"A":""}'}),
        "three": FakeSecret(),
    }
    one, two, three = read_secret_status(config("one", "two", "three"), FakeAws(secrets=secrets))
    assert (one.version, one.ready, one.lacking) == ("v2", True, ())
    assert (two.version, two.ready, two.lacking) == ("v3", False, ("A", "B"))
    assert (three.version, three.ready) == (None, False)


def test_kept_version_gets_a_label(ready: Project) -> None:
    aws = Boto(REGION)
    first = push_secrets(
        [SecretDifference("team/app", None, (), (), ())], KeyValues({"A": "1"}), aws
    )["team/app"]
    for _ in range(2):
        keep_version("team/app", first, 7, aws)
    assert versions() == {first: ["AWSCURRENT", "kept-000007"]}
    with pytest.raises(StackwrightError, match="the secret team/absent does not exist"):
        keep_version("team/absent", first, 7, aws)


def test_version_of_consecutive_releases_has_one_label() -> None:
    aws = FakeAws(secrets={"app": FakeSecret({"v1": "1"})})
    for value in ("2", "3"):
        keep_version("app", "v1", int(value), aws)
        aws.put_secret_value("app", f"v{value}", value)
    assert aws.secrets["app"].versions == {
        "v3": ["AWSCURRENT"],
        "v2": ["AWSPREVIOUS"],
        "v1": ["kept-000002"],
    }
    aws.label_secret_version = None  # type: ignore[assignment,method-assign] # a further call would fail
    keep_version("app", "v1", 4, aws)


class NoResponse(FakeAws):
    """Labels are moved, and the answer is lost: the call is tried again, and refused then as
    Secrets Manager does."""

    refusal = "InvalidParameterException"

    def label_secret_version(
        self, name: str, version: str | None, label: str, *, holder: str | None = None
    ) -> None:
        super().label_secret_version(name, version, label, holder=holder)
        if holder is not None:
            error = AwsError.of("SW408", f"Version stage {label} not found in version {holder}")
            error.code = self.refusal
            raise error


def test_label_moved_by_a_lost_answer_is_no_error() -> None:
    aws = NoResponse(
        secrets={
            "app": FakeSecret(
                {"v1": "1", "v2": "2"}, labels={"kept-000001": "v1", "kept-000002": "v2"}
            )
        }
    )
    keep_version("app", "v1", 3, aws)
    assert aws.secrets["app"].labels == {"kept-000002": "v2", "kept-000003": "v1"}
    keep_version("app", "v2", 3, aws)  # of an environment that was made anew
    assert aws.secrets["app"].labels == {"kept-000003": "v2"}
    aws.refusal = "AccessDeniedException"
    with pytest.raises(AwsError):
        keep_version("app", "v1", 3, aws)


def test_version_of_a_rollback_gets_a_new_label() -> None:
    """As many versions as are kept, a rollback to the first of them, and a new one: the first is
    still in use."""
    aws = FakeAws(secrets={"app": FakeSecret()})
    for number in range(1, KEPT + 1):
        aws.put_secret_value("app", f"v{number}", "x")
        keep_version("app", f"v{number}", number, aws)
    keep_version("app", "v1", KEPT + 1, aws)
    aws.put_secret_value("app", "new", "x")
    keep_version("app", "new", KEPT + 2, aws)
    labels = {label for label in aws.secrets["app"].labels if label.startswith("kept-")}
    kept = {aws.secrets["app"].labels[label] for label in labels}
    assert (len(labels), "v1" in kept, "v2" in kept, "v3" in kept) == (KEPT, True, False, True)


def test_oldest_versions_lose_their_labels() -> None:
    """A secret can have 20 labels in all, which `FakeAws` holds every call against."""
    aws = FakeAws(
        secrets={"app": FakeSecret({"v0": "0"}, labels={"kept-of-old": "v0", "AWSPENDING": "v0"})}
    )
    for number in range(1, 41):
        aws.put_secret_value("app", f"v{number}", "x")
        keep_version("app", f"v{number}", number, aws)
    kept = {f"kept-{number:06}": f"v{number}" for number in range(26, 41)}
    assert aws.secrets["app"].labels == {"AWSPENDING": "v0", **kept}


def test_repr_hides_values() -> None:
    assert repr(KeyValues({"A": "hidden-value"})) == "KeyValues()"

"""Packaging: zips that are the same everywhere, templates named by content, and nothing secret in
either."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from botocore.loaders import Loader
from dotenv import dotenv_values

from stackwright.artifacts import function_zip
from stackwright.artifacts.package import package_rendering
from stackwright.core.errors import InputError
from stackwright.core.model import Bundle, Dotenv, Problem, S3Folder, url_suffix
from tests.support.projects import TOPIC, Project, files, yaml_1_1

pytestmark = pytest.mark.usefixtures("cache")

S3 = S3Folder("artifacts", "us-east-2", "news")
FUNCTION = """\
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      # Comments stay.
      Code: {code}
      Handler: main.handler
      Runtime: {runtime}
      Role: arn:aws:iam::123456789012:role/r
"""


def function(
    code: str = "{{ local_path('lambda/news') }}", runtime: str = "python3.13", extra: str = ""
) -> str:
    return FUNCTION.format(code=code, runtime=runtime) + extra


BASE: Mapping[str, str | None] = {
    "templates/main.yaml.j2": function(),
    "params/defaults.yaml": "",
    "lambda/news/main.py": "def handler(event, context):\n    return event\n",
}
Make = Callable[..., Project]


def wheel(
    folder: Path, name: str, version: str = "1.0", tag: str = "py3-none-any", requires: str = ""
) -> None:
    """A wheel with one module, an executable data file, and a script whose first line pip
    writes."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    content = {
        f"{name}.py": f"TAG = {tag!r}\n",
        f"{info}/METADATA": metadata + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:TAG\n",
    }
    record = "".join(f"{path},,\n" for path in content) + f"{info}/RECORD,,\n"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as archive:
        for path, text in {**content, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, pip's only source."""
    folder = tmp_path / "wheels"
    for name in ("alpha", "six", "urllib3"):
        wheel(folder, name)
    wheel(folder, "beta", requires="alpha")
    for tag in (
        "cp313-cp313-manylinux2014_x86_64",
        "cp313-cp313-manylinux_2_28_aarch64",
        "cp311-cp311-win_amd64",
    ):
        wheel(folder, "native", tag=tag)
    wheel(folder, "modern", tag="cp313-cp313-manylinux_2_28_x86_64")
    wheel(folder, "modern", tag="cp311-cp311-manylinux_2_28_x86_64")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def pinned(*requirements: str) -> str:
    """A requirements file with the hash of every wheel of each package."""
    wheels = Path(os.environ["PIP_FIND_LINKS"])
    return "".join(f"{requirement}{hashes(wheels, requirement)}\n" for requirement in requirements)


def hashes(wheels: Path, requirement: str) -> str:
    files = sorted(wheels.glob(f"{requirement.partition('=')[0]}-*"))
    return "".join(
        f" --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files
    )


def bundle(made: Project, folder: S3Folder | None = S3) -> Bundle:
    return package_rendering(made.render(), folder)


def entries(package: Bundle, name: str = "main:Function") -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(package.functions[name].data)) as archive:
        return {entry: archive.read(entry) for entry in archive.namelist()}


def refused(made: Project) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        bundle(made)
    return caught.value.problems


def test_zip_has_sorted_entries_of_one_time_and_mode(project: Make) -> None:
    made = project(
        {**BASE, "lambda/news/z.py": "", "lambda/news/a/b.py": "", "lambda/news/B.txt": ""}
    )
    (made.folder / "lambda/news/z.py").chmod(0o600)
    data = bundle(made).functions["main:Function"].data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
    assert [info.filename for info in infos] == ["B.txt", "a/b.py", "main.py", "z.py"]
    assert {(info.date_time, info.external_attr >> 16, info.create_system) for info in infos} == {
        ((1980, 1, 1, 0, 0, 0), 0o100755, 3)
    }


def test_zip_has_equal_bytes_on_another_machine(project: Make, index: Path, tmp_path: Path) -> None:
    made = project(
        {**BASE, "lambda/news/requirements.txt": pinned("alpha==1.0"), "lambda/news/z.py": ""}
    )
    other = Project(tmp_path / "elsewhere" / "copy")
    shutil.copytree(made.folder, other.folder)
    for path in other.folder.rglob("*.py"):
        os.utime(path, (1, 1))
        path.chmod(0o640)
    arguments = ("package", "--env", "dev", "--no-lint", "--bucket", "artifacts")
    first = made.run(
        *arguments, "--out", str(tmp_path / "1"), PYTHONHASHSEED="1", TZ="UTC", LC_ALL="C"
    )
    second = other.run(
        *arguments,
        "--out",
        str(tmp_path / "2"),
        PYTHONHASHSEED="2",
        TZ="Asia/Tokyo",
        LC_ALL="C.UTF-8",
        HOME="/",
    )
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == second.stdout
    assert files(tmp_path / "1") == files(tmp_path / "2")
    assert any(b"alpha.py" in data for data in files(tmp_path / "1").values())


def test_hidden_files_bytecode_and_dotenv_are_not_packed(project: Make) -> None:
    left_out = (
        ".hidden",
        ".git/config",
        "__pycache__/main.cpython-313.pyc",
        "old.pyc",
        "keys.env",
        "x/other.env",
    )
    made = project(
        {
            **BASE,
            **{f"lambda/news/{name}": "left out" for name in left_out},
            "env/dev/keys.env": "A_KEY=x",
        }
    )
    (made.folder / "lambda/news/data.txt").symlink_to(made.folder / "env/dev/keys.env")
    assert list(entries(bundle(made))) == ["main.py"]


def test_packages_are_for_lambdas_platform_without_traces_of_this_machine(
    project: Make, index: Path
) -> None:
    made = project(
        {**BASE, "lambda/news/requirements.txt": pinned("alpha==1.0", "native==1.0", "modern==1.0")}
    )
    files = entries(bundle(made))
    assert list(files) == [
        *(f"alpha-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "entry_points.txt")),
        "alpha.py",
        "main.py",
        *(f"modern-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "entry_points.txt")),
        "modern.py",
        *(f"native-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "entry_points.txt")),
        "native.py",
    ]
    assert b"manylinux2014_x86_64" in files["native.py"]
    assert b"cp313-cp313" in files["modern.py"]
    arm = made.write({"templates/main.yaml.j2": function(extra="      Architectures: [arm64]\n")})
    made.write({"lambda/news/requirements.txt": pinned("native==1.0")})
    assert b"manylinux_2_28_aarch64" in entries(bundle(arm))["native.py"]


def test_packages_of_the_runtime_are_packed_only_on_request(project: Make, index: Path) -> None:
    alpha, urllib3 = (
        pinned("alpha==1.0").removeprefix("alpha==1.0 "),
        pinned("urllib3==1.0").strip(),
    )
    listed = f"# comment\nsix==1.0\n{urllib3}  # pack\nboto3==1.44.5\nalpha==1.0 ; python_version > '3' \\\n  {alpha}"
    files = entries(bundle(project({**BASE, "lambda/news/requirements.txt": listed})))
    assert {name for name in files if "/" not in name} == {"alpha.py", "main.py", "urllib3.py"}


def test_pip_runs_once_for_equal_requirements(project: Make, index: Path) -> None:
    made = project({**BASE, "lambda/news/requirements.txt": pinned("alpha==1.0")})
    before = bundle(made)
    shutil.rmtree(index)
    made.write({"lambda/news/main.py": "changed = True\n"})
    after = entries(bundle(made))
    assert after["alpha.py"] == entries(before)["alpha.py"]
    assert after["main.py"] == b"changed = True\n"
    made.write({"lambda/news/requirements.txt": "alpha==1.0 --hash=sha256:00\n"})
    assert [problem.code for problem in refused(made)] == ["SW603"]


@pytest.mark.parametrize(
    ("requirements", "runtime", "code", "message", "hint", "where"),
    [
        ("alpha\n", "python3.13", "SW602", "alpha is not pinned", "name==version", ":1"),
        (
            "\n# x\nalpha>=1.0\n",
            "python3.13",
            "SW602",
            "alpha>=1.0 is not pinned",
            "name==version",
            ":3",
        ),
        ("alpha==1.*\n", "python3.13", "SW602", "alpha==1.* is not pinned", "name==version", ":1"),
        ("-r other.txt\n", "python3.13", "SW602", "-r cannot be used", "name==version", ":1"),
        (
            "--extra-index-url=https://evil.example/simple\n",
            "python3.13",
            "SW602",
            "--extra-index-url cannot be used",
            "PIP_INDEX_URL",
            ":1",
        ),
        (
            "alpha==1.0 --hash=sha256:00 --config-settings=a=b\n",
            "python3.13",
            "SW602",
            "--config-settings cannot be used",
            "name==version",
            ":1",
        ),
        (
            "alpha==1.0\n",
            "python3.13",
            "SW602",
            "alpha==1.0 has no hash",
            "--generate-hashes",
            ":1",
        ),
        (
            "alpha==1.0 --hash=sha256:" + "0" * 64 + "\n",
            "python3.13",
            "SW603",
            "DO NOT MATCH THE HASHES",
            "find out why",
            "",
        ),
        (
            "beta==1.0 HASH\n",
            "python3.13",
            "SW602",
            "needed by other packages, but not pinned: alpha (for beta==1.0)",
            "add name==version --hash",
            "",
        ),
        (
            "absent==1.0 HASH\n",
            "python3.13",
            "SW603",
            "No matching distribution found for absent==1.0",
            "wheel",
            "",
        ),
        (
            "native==1.0 HASH\n",
            "python3.9",
            "SW603",
            "No matching distribution found for native==1.0",
            "wheel",
            "",
        ),
        (
            "modern==1.0 HASH\n",
            "python3.11",
            "SW603",
            "No matching distribution found for modern==1.0",
            "wheel",
            "",
        ),
        (
            "alpha==1.0 HASH\n",
            "nodejs24.x",
            "SW601",
            "its Runtime is nodejs24.x, no Python",
            "set Runtime",
            "",
        ),
    ],
)
def test_wrong_requirements_are_refused(
    project: Make,
    index: Path,
    requirements: str,
    runtime: str,
    code: str,
    message: str,
    hint: str,
    where: str,
) -> None:
    template = function(runtime=runtime)
    name = requirements.partition("=")[0]
    listed = requirements.replace(" HASH", hashes(index, name) or f" --hash=sha256:{'0' * 64}")
    made = project(
        {**BASE, "lambda/news/requirements.txt": listed, "templates/main.yaml.j2": template}
    )
    (problem,) = refused(made)
    assert problem.code == code
    assert message in problem.message
    assert hint in problem.hint
    assert [str(at) for at in problem.where] == [f"lambda/news/requirements.txt{where}"]


def test_requirements_that_are_not_utf8_are_refused(project: Make) -> None:
    (problem,) = refused(project({**BASE, "lambda/news/requirements.txt": b"alpha==1.0\n\xff\n"}))
    assert (problem.code, problem.message) == ("SW602", "not UTF-8 text")


def test_damaged_cache_entry_is_installed_again(project: Make, index: Path, cache: Path) -> None:
    made = project({**BASE, "lambda/news/requirements.txt": pinned("alpha==1.0")})
    before = bundle(made)
    (kept,) = (cache / "packages").iterdir()
    for damaged in (b"", kept.read_bytes()[:-10], kept.read_bytes().replace(b"TAG", b"BAD")):
        kept.write_bytes(damaged)
        assert bundle(made) == before


def test_damaged_zip_is_refused(project: Make) -> None:
    made = project(
        {
            **BASE,
            "templates/main.yaml.j2": function("{{ local_path('bad.zip') }}"),
            "bad.zip": "PK\x05\x06",
        }
    )
    archive(made.folder / "bad.zip", 1, zipfile.ZIP_STORED)
    data = (made.folder / "bad.zip").read_bytes()
    (made.folder / "bad.zip").write_bytes(data.replace(b"PK\x01\x02", b"PK\x01\x03"))
    (problem,) = refused(made)
    assert problem.code == "SW605"
    assert "bad.zip, the code of Function, is a damaged zip" in problem.message
    assert [str(at) for at in problem.where] == ["templates/main.yaml.j2:6"]


def archive(path: Path, megabytes: int, compression: int) -> None:
    with (
        zipfile.ZipFile(path, "w", compression, compresslevel=1) as opened,
        opened.open("zeros", "w") as entry,
    ):
        for _ in range(megabytes):
            entry.write(bytes(2**20))


@pytest.mark.parametrize(
    ("megabytes", "compression", "message"),
    [
        (50, zipfile.ZIP_STORED, "takes 50.0 MB zipped; Lambda allows 50"),
        (251, zipfile.ZIP_DEFLATED, "takes 251.0 MB unzipped; Lambda allows 250"),
    ],
)
def test_function_above_lambdas_limits_is_refused(
    project: Make, megabytes: int, compression: int, message: str
) -> None:
    made = project(
        {**BASE, "templates/main.yaml.j2": function("{{ local_path('lambda/big.zip') }}")}
    )
    archive(made.folder / "lambda/big.zip", megabytes, compression)
    (problem,) = refused(made)
    assert (problem.code, [str(at) for at in problem.where]) == (
        "SW604",
        ["templates/main.yaml.j2:6"],
    )
    assert message in problem.message
    assert "container image" in problem.hint


def test_large_zip_is_compressed(project: Make) -> None:
    made = project({**BASE, "lambda/news/zeros.bin": bytes(51 * 2**20)})
    artifact = bundle(made).functions["main:Function"]
    assert artifact.size < 2**20
    assert len(entries(bundle(made))["zeros.bin"]) == 51 * 2**20


def test_code_can_be_a_file_or_a_zip(project: Make) -> None:
    made = project(
        {**BASE, "templates/main.yaml.j2": function("{{ local_path('lambda/news/main.py') }}")}
    )
    assert list(entries(bundle(made))) == ["main.py"]
    archive(made.folder / "ready.zip", 0, zipfile.ZIP_STORED)
    made.write({"templates/main.yaml.j2": function("{{ local_path('ready.zip') }}")})
    assert bundle(made).functions["main:Function"].data == (made.folder / "ready.zip").read_bytes()


ENV_FILES = "    Metadata:\n      stackwright:\n        env_files: {}\n"
DOTENV = {
    "env/dev/aws.env": "ECS_CLUSTER=cluster\n",
    "env/dev/.env": 'PLAIN=it is\nQUOTED="a\'b\\\\c ${HOME}"\nSCALE_X=2\nREDIS_URL=redis://ignored\n',
    "env/dev/keys.env": "API_KEY=the-value-of-the-secret\n",
    "env/dev/keys.env.example": "API_KEY=\n",
    "params/defaults.yaml": "variables: {computed: [REDIS_URL], function: [SCALE_*]}\n",
}


def test_dotenv_files_are_packed_on_request_without_secrets(project: Make) -> None:
    template = function(extra=ENV_FILES.format("[aws.env, .env]"))
    made = project({**BASE, **DOTENV, "templates/main.yaml.j2": template})
    package = bundle(made)
    inside = entries(package)
    assert sorted(inside) == [".env", "aws.env", "main.py"]
    read = dotenv_values(stream=io.StringIO(inside[".env"].decode()), interpolate=False)
    assert dict(read) == made.load().dotenv.plain | {"SCALE_X": "2"}
    assert read["QUOTED"] == "a'b\\c ${HOME}"
    assert inside["aws.env"] == b"ECS_CLUSTER='cluster'\n"
    assert all(b"the-value-of-the-secret" not in artifact.data for artifact in package.artifacts)
    only = bundle(
        made.write({"templates/main.yaml.j2": function(extra=ENV_FILES.format("[aws.env]"))})
    )
    assert sorted(entries(only)) == ["aws.env", "main.py"]


def test_secret_and_forbidden_variables_never_reach_a_packed_file() -> None:
    variables = {
        "AWS_PROFILE": "p",
        "A_KEY": "k",
        "URL": "amqp://user:password@host",
        "PEM": "-----BEGIN PRIVATE KEY-----",
    }
    dotenv = Dotenv({**variables, "FINE": "1"}, ("A_KEY",), {}, variables, {})
    assert function_zip.dotenv_files(dotenv, ["aws.env", ".env"]) == {
        "aws.env": b"",
        ".env": b"FINE='1'\n",
    }


@pytest.mark.parametrize("asked", ["[keys.env]", "[aws.env, keys.env]", "[../.env]", "keys.env"])
def test_other_env_file_is_refused(project: Make, asked: str) -> None:
    (problem,) = refused(
        project(
            {**BASE, **DOTENV, "templates/main.yaml.j2": function(extra=ENV_FILES.format(asked))}
        )
    )
    assert problem.code == "SW606"
    assert [str(at) for at in problem.where] == ["templates/main.yaml.j2:12"]


NESTED: Mapping[str, str | None] = {
    "params/defaults.yaml": "stacks: [{main: [first, second]}]\ntitle: news\n",
    "templates/main.yaml.j2": "Resources:\n  {{ nested_stacks() }}\n",
    "templates/main/first.yaml.j2": function(),
    "templates/main/second.yaml.j2": TOPIC,
    "lambda/news/main.py": "",
}


def test_addresses_are_content_hashes_and_other_text_is_unchanged(project: Make) -> None:
    made = project(NESTED)
    rendering = made.render()
    package = package_rendering(rendering, S3)
    zip_name = package.functions["main/first:Function"].name
    names = {stack: template.artifact.name for stack, template in package.templates.items()}
    assert list(names) == ["main", "main/first", "main/second"]
    for artifact in package.artifacts:
        assert (
            artifact.name.partition(".")[0]
            == artifact.sha256
            == hashlib.sha256(artifact.data).hexdigest()
        )
    assert [artifact.name for artifact in package.artifacts] == [
        zip_name,
        names["main/first"],
        names["main/second"],
        names["main"],
    ]
    expected = {document.name: document.text for document in rendering.documents}
    expected["main/first"] = expected["main/first"].replace(
        "../../../lambda/news", '{"S3Bucket": "artifacts", "S3Key": "news/' + zip_name + '"}'
    )
    for child in ("first", "second"):
        url = f"https://artifacts.s3.us-east-2.amazonaws.com/news/{names[f'main/{child}']}"
        expected["main"] = expected["main"].replace(f"./main/{child}.yaml", url)
    assert {stack: template.text for stack, template in package.templates.items()} == expected
    assert "# Comments stay." in expected["main/first"]


def test_changed_child_changes_only_its_parents_address(project: Make) -> None:
    made = project(NESTED)
    before = {stack: template.address for stack, template in bundle(made).templates.items()}
    after = {
        stack: template.address
        for stack, template in bundle(made.write({"lambda/news/x.py": ""})).templates.items()
    }
    assert {stack for stack in before if before[stack] != after[stack]} == {"main", "main/first"}


def test_addresses_are_relative_without_a_bucket(project: Make) -> None:
    package = bundle(project(NESTED), None)
    assert (
        f"Code: ./{package.functions['main/first:Function'].name}\n"
        in package.templates["main/first"].text
    )
    assert (
        f"TemplateURL: {package.templates['main/first'].address}\n"
        in package.templates["main"].text
    )
    assert (
        package.templates["main/first"].address
        == f"./{package.templates['main/first'].artifact.name}"
    )


@pytest.mark.parametrize(
    "code", ["'{}'", '"{}"', "{} # comment", "\n        {}", "{}\n\n      # comment"]
)
def test_path_is_replaced_in_every_yaml_style(project: Make, code: str) -> None:
    made = project({**BASE, "templates/main.yaml.j2": function(code.format("../../lambda/news"))})
    package = bundle(made)
    data = yaml_1_1(package.templates["main"].text)
    expected = yaml_1_1(made.document().text)
    key = f"news/{package.functions['main:Function'].name}"
    expected["Resources"]["Function"]["Properties"]["Code"] = {
        "S3Bucket": "artifacts",
        "S3Key": key,
    }
    assert data == expected


def test_path_is_replaced_in_flow_style_and_json(project: Make) -> None:
    flow = "Resources:\n  F: {Type: 'AWS::Lambda::Function', Properties: {Code: ../../lambda/news, Runtime: python3.13}}\n"
    text = json.dumps(
        {
            "Resources": {
                "F": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "../../lambda/news"}}
            }
        }
    )
    for name, template in (("yaml", flow), ("json", text)):
        changes = {**BASE, "templates/main.yaml.j2": None, f"templates/main.{name}.j2": template}
        made = project(changes)
        for folder in (S3, None):
            package = bundle(made, folder)
            parsed = yaml_1_1(package.templates["main"].text)["Resources"]["F"]["Properties"][
                "Code"
            ]
            key = package.functions["main:F"].name
            assert parsed == (
                {"S3Bucket": "artifacts", "S3Key": f"news/{key}"} if folder else f"./{key}"
            )
            assert package.templates["main"].artifact.name.endswith(f".template.{name}")
        shutil.rmtree(made.folder)


def test_json_root_refers_to_its_nested_stack(project: Make) -> None:
    stack = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "./other.yaml"}}
    root = json.dumps({"Resources": {"S": stack, "Other": stack}})
    files_ = {
        "templates/main.yaml.j2": None,
        "templates/main.json.j2": root,
        "templates/other.yaml.j2": TOPIC,
    }
    made = project({"params/defaults.yaml": "title: news\n", **files_})
    package = bundle(made)
    stacks = json.loads(package.templates["main"].text)["Resources"]
    assert {stack["Properties"]["TemplateURL"] for stack in stacks.values()} == {
        package.templates["other"].address
    }


def test_remote_addresses_are_unchanged(project: Make) -> None:
    text = function("{S3Bucket: mine, S3Key: k.zip}") + (
        "  Stack:\n    Type: AWS::CloudFormation::Stack\n    Properties:\n      TemplateURL: https://mine.s3.amazonaws.com/k\n"
        "  Other:\n    Type: AWS::CloudFormation::Stack\n    Properties:\n      TemplateURL: !Sub '${AWS::Region}'\n"
    )
    made = project({**BASE, "templates/main.yaml.j2": text})
    assert bundle(made).templates["main"].text == made.document().text


def test_two_functions_of_one_folder_share_a_zip(project: Make) -> None:
    second = function().removeprefix("Resources:\n").replace("Function:", "Second:", 1)
    package = bundle(project({**BASE, "templates/main.yaml.j2": function() + second}))
    assert package.functions["main:Function"] is package.functions["main:Second"]
    assert sum(artifact.name.endswith(".zip") for artifact in package.artifacts) == 1


def test_missing_paths_are_reported_together_and_nothing_is_written(
    project: Make, tmp_path: Path
) -> None:
    stack = "  S:\n    Type: AWS::CloudFormation::Stack\n    Properties:\n      TemplateURL: ./absent.yaml\n"
    made = project({**BASE, "templates/main.yaml.j2": function("../../lambda/absent") + stack})
    result = made.invoke("package", "--env", "dev", "--no-lint", "--out", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert (
        "templates/main.yaml.j2:6: error SW605 ../../lambda/absent, the code of Function, does not"
        in result.stderr
    )
    assert "templates/main.yaml.j2:13: error SW605 no stack renders to absent.yaml" in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "out").exists()


def test_package_writes_artifacts_and_prints_them(project: Make, tmp_path: Path) -> None:
    made = project(NESTED)
    out = tmp_path / "out"
    arguments = (
        "package",
        "--env",
        "dev",
        "--no-lint",
        "--out",
        str(out),
        "--bucket",
        "artifacts",
        "--prefix",
        "/p/",
    )
    listed = json.loads(made.invoke(*arguments, "--format", "json").stdout)
    written = files(out)
    assert sorted(written) == sorted(
        ["main.template.yaml", *(artifact["name"] for artifact in listed["artifacts"])]
    )
    assert {artifact["name"]: artifact["size"] for artifact in listed["artifacts"]}.items() <= {
        name: len(data) for name, data in written.items()
    }.items()
    assert listed["templates"]["main"].startswith("https://artifacts.s3.us-east-1.amazonaws.com/p/")
    assert written["main.template.yaml"] == written[listed["templates"]["main"].rpartition("/")[2]]
    assert listed["functions"]["main/first:Function"] in written
    inode = (out / "main.template.yaml").stat().st_mtime_ns
    text = made.invoke(*arguments)
    assert text.exit_code == 0
    assert [line.split()[0] for line in text.stdout.splitlines()] == [
        "main", "main/first", "main/second", "main/first:Function",
    ]  # fmt: skip
    assert (out / "main.template.yaml").stat().st_mtime_ns == inode


def test_lint_finding_stops_package(project: Make, tmp_path: Path) -> None:
    wrong = "Resources:\n  T:\n    Type: AWS::SNS::Topic\n    Properties:\n      DisplayNam: x\n"
    made = project({**BASE, "templates/main.yaml.j2": wrong})
    result = made.invoke("package", "--env", "dev", "--out", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "DisplayNam" in result.stderr
    assert not (tmp_path / "out").exists()


def test_unwritable_folder_is_an_error(project: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = project(BASE).invoke(
        "package", "--env", "dev", "--no-lint", "--out", str(tmp_path / "file" / "out")
    )
    assert result.exit_code == 1
    assert "SW607 cannot write" in result.stderr


@pytest.mark.parametrize(
    "name", ["b", "Upper", "a..b", "a.-b", "-a-", "a" * 64, "under_score", "a/b"]
)
def test_invalid_bucket_name_is_refused(project: Make, name: str) -> None:
    with pytest.raises(InputError, match="is not a valid name of an S3 bucket"):
        bundle(project(BASE), S3Folder(name, "us-east-2"))


def test_regions_of_china_have_their_own_domain() -> None:
    assert S3Folder("b", "cn-north-1").url("k") == "https://b.s3.cn-north-1.amazonaws.com.cn/k"


def test_addresses_have_the_domain_of_their_partition() -> None:
    for partition in Loader().load_data("partitions")["partitions"]:
        for region in partition["regions"]:
            if not region.endswith("global"):
                assert url_suffix(region) == partition["outputs"]["dnsSuffix"], region

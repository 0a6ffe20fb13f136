"""A malformed keys.env: messages name the file and the line, and show nothing of its text."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.deploy.bad_days.world import encoded
from tests.support.projects import Project, files

Make = Callable[..., Project]

FILE = "env/dev/keys.env"
PEM = """\
-----BEGIN RSA PRIVATE KEY-----
MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBALtdQ2RhoWNLVhQz
7n0Qw3rJc5TPk6L9XbVYtZQm8uG1sEoHdRfAvNiKjMlWpScXzByTqUrOeIgFhDaC
q9W8eR7tY6uI5oP4aS3dF2gH1jK0lZxcvbnm
NAMEOFNOKEY==
c2VjcmV0LWxhc3QtbGluZQ=
-----END RSA PRIVATE KEY-----
"""
VALUE = "Zq7canary-Vb3Xw9"
MALFORMED: Mapping[str, str | bytes] = {
    "unquoted PEM": f"API_KEY={PEM}TOKEN=x\n",
    "unquoted PEM alone": PEM,
    "PEM with an open quote": f'API_KEY="{PEM}',
    "PEM after a closed quote": f"API_KEY='-----BEGIN'\n{PEM}",
    "value without a name": f"{VALUE}\n",
    "value that ends in =": f"API_KEY=x\nTOKEN=y\n{VALUE}=\n",
    "value before =": f"{VALUE}=API_KEY\n",
    "export without =": f"export {VALUE}\n",
    "export of a value": f"export {VALUE}=x\nexport API_KEY=x\n",
    "exported twice": f"export {VALUE}=x\nexport {VALUE}=x\n",
    "twice": f"{VALUE}=1\n{VALUE}=2\n",
    "quoted name": f"'{VALUE} and more'\n",
    "quoted name with a value": f"'{VALUE} and more'={VALUE}\n",
    "text after a quote": f"API_KEY='x' {VALUE}\nTOKEN=x\n",
    "open single quote": f"API_KEY='{VALUE}\n{VALUE}=1\n",
    "open double quote": f'API_KEY="{VALUE}\nTOKEN={VALUE}\n',
    "colon": f"API_KEY: {VALUE}\n",
    "JSON": json.dumps({"API_KEY": VALUE, "TOKEN": VALUE}, indent=1),
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf" + f"{VALUE}=x\n".encode(),
    "byte order mark inside": f"API_KEY=x\n\ufeff{VALUE}=x\n".encode(),
    "UTF-16": f"API_KEY={VALUE}\n".encode("utf-16"),
    "Latin-1": f"API_KEY={VALUE}é\n".encode("latin-1"),
    "NUL": f"API_KEY=x\n\0{VALUE}\0=\n".encode(),
    "escape sequence": f"\x1b[31m{VALUE}=x\n",
    "other line ends": f"API_KEY=x\r{VALUE}\r\n{VALUE}\u2028{VALUE}=x\x85{VALUE}\n",
    "workflow command": f"::error::{VALUE}\n%0A::error::{VALUE}=x\n",
    "long line": f"{VALUE}{'Qx9' * 100_000}\n",
    "long line with =": f"{VALUE}{'Qx9' * 100_000}=\n",
    "many lines": "".join(f"{VALUE}{n}\n" for n in range(300)),
}
FORMATS = ("text", "json", "sarif", "github")


@pytest.fixture(autouse=True)
def _debug_ends() -> Iterator[None]:
    """--debug sets up logging for the rest of the process."""
    logger = logging.getLogger("stackwright")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


def parts(text: str | bytes) -> set[str]:
    """The words of a file that a message must not show."""
    data = text if isinstance(text, bytes) else text.encode()
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
    words = re.findall(r"[A-Za-z0-9+/]{9,}", data.decode(encoding))
    return {word[:20] for word in words} - {"API_KEY", "TOKEN", "export", "error"}


def leaks(text: str | bytes, written: bytes) -> list[str]:
    """The words of a file that were written, plain, in JSON, in a URL, in Base64 or in hex."""
    return [part for part in parts(text) if any(form in written for form in encoded(part))]


@pytest.mark.parametrize("example", ["API_KEY=\nTOKEN=\n", None], ids=["example", "none"])
@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_no_message_shows_text_of_the_file(
    project: Make, text: str | bytes, example: str | None
) -> None:
    made = project({FILE: text, f"{FILE}.example": example})
    shown = [made.invoke("lint", "--env", "dev", "--format", style) for style in FORMATS]
    verbs = ("render", "params", "status", "deploy") if example else ("params",)
    shown += [made.invoke(verb, "--env", "dev", "--debug") for verb in verbs]
    for result in shown:
        assert not leaks(text, result.output.encode())
        if example:
            assert result.exit_code == 1
            assert re.search(rf"{FILE}(:\d|,line=\d|\")", result.output)
    written = files(made.folder)
    assert not leaks(text, b"".join(data for name, data in written.items() if name != FILE))


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_push_shows_no_text_of_a_file_without_example(project: Make, text: str | bytes) -> None:
    made = project({FILE: text, "params/dev.yaml": "secrets: {app: {name: team/app}}\n"})
    result = made.invoke("secrets", "push", "--env", "dev")
    assert result.exit_code == 1
    assert not leaks(text, result.output.encode())


def test_names_of_the_example_are_shown(project: Make) -> None:
    made = project({FILE: "API_KEY\nTOKEN=1\n\n\nTOKEN=2\n", f"{FILE}.example": "API_KEY=\nTOKEN="})
    output = made.invoke("lint", "--env", "dev").output
    assert f"{FILE}:1: error SW007 API_KEY has no '='" in output
    assert f"{FILE}:5: error SW004 TOKEN is given twice" in output


def test_line_counts_blank_lines_of_spaces(project: Make) -> None:
    made = project({FILE: f"API_KEY=x\n  \n\t\n \n{VALUE}\n", f"{FILE}.example": "API_KEY=\n"})
    assert f"{FILE}:5: error SW007" in made.invoke("lint", "--env", "dev").output


def test_exported_names_and_byte_order_mark_are_read(project: Make) -> None:
    made = project({FILE: "\ufeffexport API_KEY=x\n", f"{FILE}.example": "\ufeffAPI_KEY=\n"})
    assert made.load().dotenv.secret_names == ("API_KEY",)


def test_names_come_from_the_example_alone(project: Make) -> None:
    config = project({FILE: f"API_KEY={VALUE}\n"}).load()
    assert config.dotenv.secret_names == ()
    (warning,) = config.problems
    assert (warning.code, str(warning.level)) == ("SW024", "warning")
    assert "there is no keys.env.example beside it" in warning.message

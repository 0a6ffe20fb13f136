"""Bad inputs as a table: a small change of a project, and the code, place and text of its message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SECRET = "hunter2-s3cr3t-value"
"""Put into files of secrets and beside them: no message may show it."""

SCHEMA = """\
{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "title": {"type": "string", "title": "Title", "minLength": 1, "maxLength": 10},
    "environment": {"type": "string"},
    "region": {"enum": ["us-east-1", "eu-west-1"]},
    "account_id": {"type": "string", "pattern": "^[0-9]{12}$"},
    "stacks": {"type": "array"},
    "size": {"type": "integer", "minimum": 1, "maximum": 10, "x-unit": "tasks"},
    "ratio": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "multipleOf": 0.25},
    "flag": {"type": "boolean"},
    "maybe": {"type": ["string", "null"]},
    "kind": {"enum": ["small", "large"]},
    "network": {
      "type": "object",
      "additionalProperties": false,
      "required": ["cidr"],
      "properties": {
        "cidr": {"type": "string", "format": "cidr"},
        "zones": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 3}
      }
    },
    "task": {
      "type": "object",
      "properties": {"cpu": {"type": "integer"}, "memory": {"type": "integer"}},
      "if": {"properties": {"cpu": {"const": 256}}},
      "then": {
        "properties": {"memory": {"enum": [512, 1024, 2048], "x-message": "with 256 CPU: 512, 1024 or 2048 MB"}}
      }
    },
    "either": {"anyOf": [
      {"type": "string"}, {"type": "object", "additionalProperties": false, "properties": {"name": {"type": "string"}}}
    ]},
    "zone": {"type": "string", "pattern": "^[a-z]+-[0-9]$", "x-expected": "zone such as east-1"},
    "tags": {"type": "array", "uniqueItems": true},
    "teams": {
      "type": "object",
      "maxProperties": 1,
      "propertyNames": {"pattern": "^[a-z]+$", "x-expected": "lowercase word", "not": {"enum": ["root", "admin"]}}
    },
    "map": {"type": "object", "patternProperties": {"^[a-z]+$": {"type": "integer"}}, "additionalProperties": false}
  },
  "additionalProperties": false
}
"""

USE = "{% for name in params %}{% endfor %}"
NESTED: Mapping[str, str | None] = {
    "templates/main.yaml.j2": None,
    "params/defaults.yaml": "stacks:\n  - app:\n      - one\n      - two\n",
    "templates/app.yaml.j2": "Parameters:\n  {{ wired_parameters() }}\nResources:\n  {{ nested_stacks() }}\n",
    "templates/app/one.yaml.j2": "Resources:\n  A: {Type: x}\nOutputs:\n  Id:\n    Value: 1\n",
    "templates/app/two.yaml.j2": "Parameters:\n  Id:\n    Type: String\nResources:\n  A: {Type: x}\n",
}


@dataclass(frozen=True)
class Case:
    """Files that replace those of the small project, and what the answer must say."""

    name: str
    files: Mapping[str, str | bytes | None]
    code: str
    where: str
    message: str
    hint: str = ""
    arguments: tuple[str, ...] = ()
    environment: str = "dev"
    others: tuple[str, ...] = field(default=())
    """Further places that the problem names."""

    def __str__(self) -> str:
        return self.name


def params(
    name: str, text: str | bytes, code: str, where: str, message: str, hint: str = ""
) -> Case:
    """A bad params/dev.yaml."""
    return Case(name, {"params/dev.yaml": text}, code, f"params/dev.yaml{where}", message, hint)


def schema(name: str, text: str, code: str, where: str, message: str, hint: str = "") -> Case:
    """A params/dev.yaml that breaks the schema."""
    files = {"params/schema.json": SCHEMA, "params/dev.yaml": text}
    return Case(name, files, code, f"params/dev.yaml{where}", message, hint)


def template(
    name: str, text: str | bytes, code: str, where: str, message: str, hint: str = "", *others: str
) -> Case:
    """A bad templates/main.yaml.j2."""
    files = {"templates/main.yaml.j2": text}
    return Case(name, files, code, f"templates/main.yaml.j2{where}", message, hint, others=others)


def nested(
    name: str,
    files: Mapping[str, str | None],
    code: str,
    where: str,
    message: str,
    hint: str = "",
    *others: str,
) -> Case:
    """A bad root with nested stacks."""
    return Case(name, {**NESTED, **files}, code, where, message, hint, others=others)


def stacks(
    name: str, text: str, where: str, message: str, hint: str = "", code: str = "SW015"
) -> Case:
    """A bad ``stacks:``."""
    return nested(
        name, {"params/defaults.yaml": text}, code, f"params/defaults.yaml{where}", message, hint
    )


def dotenv(
    name: str, files: Mapping[str, str], code: str, where: str, message: str, hint: str = ""
) -> Case:
    """Bad dotenv files of the environment."""
    return Case(
        name, {f"env/dev/{k}": v for k, v in files.items()}, code, f"env/dev/{where}", message, hint
    )


def mains(body: str) -> str:
    """A template whose resource holds ``body``, from line 3."""
    return f"Resources:\n  R:\n{body}"


LOADING = [
    Case(
        "missing environment",
        {"params/prod.yaml": ""},
        "SW001",
        "params/prd.yaml",
        "no environment 'prd'",
        "did you mean prod? There are: dev, prod. Make a new one with: stackwright init prd",
        environment="prd",
    ),
    Case(
        "no environments",
        {"params/dev.yaml": None},
        "SW001",
        "params/dev.yaml",
        "no environment",
        "There are none yet",
    ),
    params(
        "broken YAML",
        "a: 1\nb: [1\n",
        "SW003",
        ":3",
        "not valid YAML: did not find expected ',' or ']'",
    ),
    params(
        "colon in a value",
        "a: x: y\n",
        "SW003",
        ":1",
        "mapping values are not allowed",
        "quote a value that contains",
    ),
    params("tab", "a:\n\tb: 1\n", "SW003", ":2", "cannot start any token", "indent with spaces"),
    params(
        "tab after DOS line ends",
        "a:\r\n\tb: 1\r\n",
        "SW003",
        ":2",
        "cannot start any token",
        "indent with spaces",
    ),
    params(
        "list instead of map", "- a\n- b\n", "SW003", ":1", "the file must hold a map of parameters"
    ),
    params(
        "text instead of map",
        "just words\n",
        "SW003",
        ":1",
        "the file must hold a map of parameters",
    ),
    params("two documents", "a: 1\n---\nb: 2\n", "SW003", ":2", "expected a single document"),
    params("control character", "a: 1\nb: \x01\n", "SW003", ":2", "not valid YAML"),
    params(
        "duplicate key",
        "a: 1\nb:\n  c: 1\n  c: 2\n",
        "SW004",
        ":4",
        "duplicate key 'c'",
        "keep one of the two",
    ),
    params(
        "complex key", "? [a]\n: 1\n", "SW003", ":1", "a key must be a string, not a list or a map"
    ),
    params(
        "tag",
        "a: !Ref X\n",
        "SW005",
        ":1",
        "the tag !Ref is not allowed in parameters",
        "intrinsics such as !Ref",
    ),
    params(
        "python tag",
        "a: !!python/object:os.system x\n",
        "SW005",
        ":1",
        "the tag !!python/object:os.system",
    ),
    params("typed tag", "a: !!int '3'\n", "SW005", ":1", "the tag !!int is not allowed"),
    params("tagged map", "a: !Sub {b: 1}\n", "SW005", ":1", "the tag !Sub is not allowed"),
    params("unknown alias", "a: *b\n", "SW003", ":1", "found undefined alias"),
    params("recursive alias", "a: &a [*a]\n", "SW006", ":1", "an alias that contains itself"),
    params("recursive map", "a: &a {b: *a}\n", "SW006", ":1", "an alias that contains itself"),
    params("merge of text", "a: {<<: text}\n", "SW003", ":1", "'<<' merges maps only"),
    params(
        "YAML bomb",
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n"
            for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "SW006",
        "",
        "aliases expand to more than 100,000 values",
        "write the values out",
    ),
    params(
        "bomb of merge keys",
        "a: &a {k: x}\n"
        + "".join(
            f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 20)}]}}\n"
            for a, b in zip("abcdef", "bcdefg", strict=True)
        ),
        "SW006",
        "",
        "aliases expand to more than 100,000 values",
    ),
    params(
        "deep flow nesting",
        "a: " + "[" * 5000 + "]" * 5000 + "\n",
        "SW003",
        ":1",
        "nested deeper than 64 levels",
    ),
    params(
        "deep block nesting",
        "".join(f"{' ' * n}a:\n" for n in range(300)),
        "SW003",
        ":65",
        "nested deeper than 64 levels",
    ),
    params(
        "deep list nesting",
        "a:\n  " + "- " * 200 + "x\n",
        "SW003",
        ":2",
        "nested deeper than 64 levels",
    ),
    params("more than 10 MB", "a: " + "x" * 10_000_001, "SW002", ":1", "larger than 10 MB"),
    params(
        "not UTF-8", b"a: 1\nb: \xff\n", "SW002", ":2", "not UTF-8 text", "save the file as UTF-8"
    ),
    params("UTF-16", "a: 1\n".encode("utf-16"), "SW002", ":1", "not UTF-8 text"),
    params(
        "another environment's copy",
        "environment: prod\n",
        "SW014",
        ":1",
        "environment is 'prod', but the file is",
    ),
    Case(
        "broken defaults",
        {"params/defaults.yaml": "a: [\n"},
        "SW003",
        "params/defaults.yaml:2",
        "not valid YAML",
    ),
    Case(
        "schema is not JSON",
        {"params/schema.json": '{\n"a": }'},
        "SW008",
        "params/schema.json:2",
        "not valid JSON",
    ),
    Case(
        "schema is a list",
        {"params/schema.json": "[]"},
        "SW008",
        "params/schema.json:1",
        "the schema must be a map",
    ),
    Case(
        "schema is no schema",
        {"params/schema.json": '{"type": "map"}'},
        "SW008",
        "params/schema.json:1",
        "not a JSON Schema: 'map' is not valid",
    ),
    Case(
        "schema with a lost reference",
        {"params/schema.json": '{"properties": {"a": {"$ref": "#/$defs/b"}}}'},
        "SW008",
        "params/schema.json:1",
        "#/$defs/b",
    ),
    Case(
        "schema with a circle",
        {"params/schema.json": '{"properties": {"a": {"$ref": "#/properties/a"}}}'},
        "SW008",
        "params/schema.json:1",
        "refers to itself",
    ),
    Case(
        "schema with a bad pattern",
        {"params/schema.json": '{"properties": {"title": {"pattern": "("}}}'},
        "SW008",
        "params/schema.json:1",
        "not a JSON Schema",
    ),
    Case(
        "set without a value",
        {},
        "SW009",
        "",
        "--set size: write key.path=value",
        arguments=("--set", "size"),
    ),
    Case(
        "set without a key",
        {},
        "SW009",
        "",
        "--set =…: write key.path=value",
        arguments=("--set", "=1"),
    ),
    Case(
        "set with an empty part",
        {},
        "SW009",
        "",
        "write key.path=value",
        arguments=("--set", "a..b=1"),
    ),
    Case(
        "set with broken YAML",
        {},
        "SW003",
        "--set",
        "not valid YAML",
        arguments=("--set", "title=[1"),
    ),
    Case(
        "set with a tag", {}, "SW005", "--set", "the tag !Ref", arguments=("--set", "title=!Ref x")
    ),
    Case(
        "set with bytes that are not UTF-8",
        {},
        "SW009",
        "",
        "not UTF-8",
        arguments=("--set", "title=\udcff"),
    ),
    Case(
        "set of an unknown parameter",
        {"params/schema.json": SCHEMA},
        "SW010",
        "--set",
        "unknown parameter tilte",
        "did you mean title?",
        arguments=("--set", "tilte=x"),
    ),
]

BY_SCHEMA = [
    schema(
        "unknown key", "\nsiez: 3\n", "SW010", ":2", "unknown parameter siez", "did you mean size?"
    ),
    schema(
        "unknown nested key",
        "network:\n  cidr: 10.0.0.0/16\n  zonse: []\n",
        "SW010",
        ":3",
        "unknown parameter network.zonse",
        "did you mean network.zones?",
    ),
    schema(
        "unknown key unlike any",
        "network: {cidr: 10.0.0.0/16, q: 1}\n",
        "SW010",
        ":1",
        "network.q",
        "known here: cidr, zones",
    ),
    schema(
        "text for a number",
        "size: three\n",
        "SW011",
        ":1",
        'size must be a whole number, not "three"',
    ),
    schema(
        "fraction for a whole number",
        "size: 1.5\n",
        "SW011",
        ":1",
        "size must be a whole number, not 1.5",
    ),
    schema(
        "number for text",
        "title: 5\n",
        "SW011",
        ":1",
        "title must be text, not 5",
        "put it in quotes",
    ),
    schema(
        "account as a number",
        "account_id: 123456789012\n",
        "SW011",
        ":1",
        "account_id must be text",
        "put it in quotes",
    ),
    schema(
        "short account",
        "account_id: 0123\n",
        "SW012",
        ":1",
        'account_id: "0123" does not match ^[0-9]{12}$',
    ),
    schema(
        "pattern with words", "zone: 5a\n", "SW012", ":1", 'zone: "5a" is no zone such as east-1'
    ),
    schema(
        "key that no pattern allows",
        "teams:\n  A1: x\n",
        "SW012",
        ":2",
        '"A1" is no lowercase word',
    ),
    schema(
        "reserved key", "teams:\n  root: x\n", "SW012", ":2", '"root" must be none of root, admin'
    ),
    schema("too many keys", "teams: {a: 1, b: 2}\n", "SW012", ":1", "has more than 1 keys"),
    schema("item twice", "tags: [a, b, a]\n", "SW012", ":1", 'has the item "a" twice'),
    Case(
        "item of an overridden list",
        {
            "params/schema.json": SCHEMA,
            "params/defaults.yaml": "network:\n  cidr: 10.0.0.0/16\n  zones:\n    - a\n    - b\n",
        },
        "SW011",
        "--set network.zones",
        "network.zones[0] must be text, not 1",
        "put it in quotes",
        arguments=("--set", "network.zones=[1, b]"),
    ),
    schema(
        "word for a switch", "flag: yes\n", "SW011", ":1", 'flag must be true or false, not "yes"'
    ),
    schema("null for text", "title:\n", "SW011", ":1", "title must be text, not null"),
    schema("number for text or null", "maybe: 1\n", "SW011", ":1", "maybe must be text or null"),
    schema("map for text", "title: {a: 1}\n", "SW011", ":1", "title must be text"),
    schema("text for a map", "network: x\n", "SW011", ":1", "network must be a map"),
    schema(
        "text for a list",
        "network: {cidr: 10.0.0.0/16, zones: a}\n",
        "SW011",
        ":1",
        "network.zones must be a list",
    ),
    schema("too small", "size: 0\n", "SW012", ":1", "size: 0 is below the minimum of 1 tasks"),
    schema("too large", "size: 11\n", "SW012", ":1", "size: 11 is above the maximum of 10 tasks"),
    schema("not above", "ratio: 0\n", "SW012", ":1", "ratio: 0 must be above 0"),
    schema("not below", "ratio: 1\n", "SW012", ":1", "ratio: 1 must be below 1"),
    schema("not a multiple", "ratio: 0.3\n", "SW012", ":1", "ratio: 0.3 is not a multiple of 0.25"),
    schema("too short", 'title: ""\n', "SW012", ":1", "title"),
    schema("too long", "title: abcdefghijk\n", "SW012", ":1", "is longer than 10 characters"),
    schema(
        "not in the list",
        "kind: lagre\n",
        "SW012",
        ":1",
        'kind is "lagre"; allowed: small, large',
        "did you mean large?",
    ),
    schema("missing", "network: {zones: [a, b]}\n", "SW013", ":1", "network.cidr is missing"),
    schema(
        "fewer than two zones",
        "network:\n  cidr: 10.0.0.0/16\n  zones: [a]\n",
        "SW012",
        ":3",
        'network.zones: ["a"] has fewer than 2 items',
    ),
    schema(
        "more than three zones",
        "network: {cidr: 10.0.0.0/16, zones: [a, b, c, d]}\n",
        "SW012",
        ":1",
        "more than 3 items",
    ),
    schema(
        "item of the wrong type",
        "network:\n  cidr: 10.0.0.0/16\n  zones:\n    - a\n    - 5\n",
        "SW011",
        ":5",
        "network.zones[1] must be text, not 5",
    ),
    schema(
        "invalid CIDR", "network: {cidr: 10.0.0.300/16}\n", "SW012", ":1", "is not a valid cidr"
    ),
    schema(
        "CIDR without a length",
        "network: {cidr: 10.0.0.0}\n",
        "SW012",
        ":1",
        "a prefix length such as /24 is missing",
    ),
    schema(
        "CIDR with host bits", "network: {cidr: 10.0.0.1/16}\n", "SW012", ":1", "has host bits set"
    ),
    schema(
        "bad Fargate pair",
        "task:\n  cpu: 256\n  memory: 4096\n",
        "SW012",
        ":3",
        "task.memory: with 256 CPU: 512, 1024 or 2048 MB",
    ),
    schema("neither of two", "either: {nam: x}\n", "SW010", ":1", "unknown parameter either.nam"),
    schema("neither of two types", "either: 5\n", "SW011", ":1", "either must be"),
    schema(
        "key that no pattern allows", "map: {A1: 1}\n", "SW010", ":1", "unknown parameter map.A1"
    ),
    schema("value below a pattern", "map: {a: x}\n", "SW011", ":1", "map.a must be a whole number"),
]

DOTENV = [
    dotenv(
        "line without equals",
        {".env": "A=1\nWHAT IS THIS\n"},
        "SW007",
        ".env:2",
        "this line is not NAME=value",
    ),
    dotenv(
        "name without equals",
        {".env": "A=1\n\nNAME\n"},
        "SW007",
        ".env:3",
        "NAME has no '='",
        "write NAME=value",
    ),
    dotenv(
        "open quote",
        {".env": f"A='{SECRET}\nB=1\n"},
        "SW007",
        ".env:1",
        "this line is not NAME=value",
        "quote a value",
    ),
    dotenv("given twice", {".env": "A=1\nB=2\nA=3\n"}, "SW004", ".env:3", "A is given twice"),
    dotenv("not UTF-8", {".env": "A=1\n"}, "SW002", ".env:1", "not UTF-8 text"),
    dotenv(
        "forbidden variable",
        {".env": f"\nAWS_SECRET_ACCESS_KEY={SECRET}\n"},
        "SW020",
        ".env:2",
        "AWS_SECRET_ACCESS_KEY must not be set",
        "remove the line",
    ),
    dotenv(
        "forbidden in aws.env",
        {"aws.env": "AWS_PROFILE=me\n"},
        "SW020",
        "aws.env:1",
        "AWS_PROFILE must not be set",
    ),
    dotenv(
        "forbidden by pattern",
        {".env": "AWS_CONTAINER_CREDENTIALS_FULL_URI=x\n"},
        "SW020",
        ".env:1",
        "must not be set",
    ),
    dotenv(
        "secret by its name",
        {".env": f"DB_PASSWORD={SECRET}\n"},
        "SW022",
        ".env:1",
        "DB_PASSWORD would be plain text: its name is that of a secret",
        "move it to keys.env",
    ),
    dotenv(
        "secret by its value",
        {".env": f"URL=amqp://user:{SECRET}@host/\n"},
        "SW022",
        ".env:1",
        "URL would be plain text: its value looks like a URL with a password",
    ),
    dotenv(
        "private key",
        {".env": f'PEM="-----BEGIN RSA PRIVATE KEY-----\\n{SECRET}"\n'},
        "SW022",
        ".env:1",
        "a PEM private key",
    ),
    dotenv(
        "AWS key", {".env": "ID=AKIAIOSFODNN7EXAMPLE\n"}, "SW022", ".env:1", "an AWS access key"
    ),
    dotenv(
        "secret in aws.env",
        {"aws.env": f"API_TOKEN={SECRET}\n"},
        "SW022",
        "aws.env:1",
        "API_TOKEN would be plain text",
    ),
    dotenv(
        "secret that keys.env has",
        {".env": f"\nDATA={SECRET}\n", "keys.env.example": "DATA=\n"},
        "SW022",
        ".env:2",
        "DATA is a key of keys.env and is given here too",
    ),
    dotenv(
        "name that the example lacks",
        {"keys.env": f"A={SECRET}\nNEW={SECRET}\n", "keys.env.example": "A=\n"},
        "SW024",
        "keys.env:2",
        "this name is not in keys.env.example",
        "add the name and '=' to env/dev/keys.env.example",
    ),
    dotenv(
        "name that keys.env lacks",
        {"keys.env": f"A={SECRET}\n", "keys.env.example": "A=\n\nB=\n"},
        "SW024",
        "keys.env.example:3",
        "B is missing from keys.env",
        "add B=… to env/dev/keys.env",
    ),
    dotenv(
        "value in the example",
        {"keys.env": f"A={SECRET}\n", "keys.env.example": f"A={SECRET}\n"},
        "SW025",
        "keys.env.example:1",
        "A has a value; the example is committed",
    ),
    dotenv(
        "value in the example alone",
        {"keys.env.example": f"A={SECRET}\n"},
        "SW025",
        "keys.env.example:1",
        "A has a value; the example is committed",
    ),
    dotenv(
        "given twice in keys.env",
        {"keys.env": f"A={SECRET}\nA={SECRET}2\n", "keys.env.example": "A=\n"},
        "SW004",
        "keys.env:2",
        "A is given twice",
    ),
    Case(
        "variables of functions above 4 KB",
        {
            "params/dev.yaml": "variables: {function: [F_*]}\n",
            "env/dev/.env": f"F_A={'x' * 4000}\nF_B={'y' * 100}\n",
        },
        "SW023",
        "env/dev/.env:1",
        "take 4,106 bytes; Lambda allows 4,096",
    ),
]
DOTENV = [
    Case(c.name, {"env/dev/.env": b"A=\xff\n"}, c.code, c.where, c.message)
    if c.name == "not UTF-8"
    else c
    for c in DOTENV
]

TEMPLATES = [
    Case(
        "invalid YAML on the first line of an include",
        {
            "templates/main.yaml.j2": "{% include 'parts/a.j2' %}\nB: {{ title }}\n",
            "templates/parts/a.j2": "A: b: c\n",
        },
        "SW103",
        "templates/parts/a.j2:1",
        "mapping values are not allowed",
        others=("templates/main.yaml.j2:1",),
    ),
    Case(
        "value in the message of invalid YAML",
        {"templates/main.yaml.j2": "Resources:\n  A: 1\n  {{ title }}: 2\n  {{ title }}: 3\n"},
        "SW104",
        "templates/main.yaml.j2:4",
        "duplicate key 'news'",
    ),
    Case(
        "JSON with an error further down",
        {
            "templates/main.yaml.j2": None,
            "templates/main.json.j2": '{\n"A": 1,\n"B": {{ title }},\n}\n',
        },
        "SW103",
        "templates/main.json.j2:4",
        "not valid JSON: ",
    ),
    template("empty", "", "SW105", ":1", "the template is empty", "write Resources:"),
    template("blank", "\n  \n", "SW105", ":1", "the template is empty"),
    template("only comments", "# {{ title }}\n", "SW105", ":1", "does not render to a map"),
    template("a list", "- {{ title }}\n", "SW105", ":1", "does not render to a map"),
    template(
        "not UTF-8",
        b"Resources:\n  A: \xff\n",
        "SW002",
        ":2",
        "not UTF-8 text",
        "save the file as UTF-8",
    ),
    template("reserved character", "Resources: \ue000\n", "SW105", ":1", "reserved"),
    template(
        "Jinja syntax", "Resources:\n  {{ title }\n", "SW101", ":2", "Jinja syntax: unexpected '}'"
    ),
    template(
        "unclosed if", "Resources:\n{% if title %}\n", "SW101", ":2", "Unexpected end of template"
    ),
    template(
        "unknown tag", "Resources:\n\n{% fi %}\n", "SW101", ":3", "Encountered unknown tag 'fi'"
    ),
    template(
        "unknown filter", "A: {{ title | shout }}\n", "SW101", ":1", "No filter named 'shout'"
    ),
    template("unknown test", "A: {{ title is loud }}\n", "SW101", ":1", "No test named 'loud'"),
    template(
        "undefined name",
        mains("    A: {{ titel }}\n"),
        "SW102",
        ":3",
        "titel is not defined",
        "did you mean title?",
    ),
    template(
        "undefined name unlike any",
        mains("    A: {{ qqq }}\n"),
        "SW102",
        ":3",
        "qqq is not defined",
    ),
    template(
        "undefined in a condition",
        mains("{% if titel %}\n{% endif %}\n"),
        "SW102",
        ":3",
        "titel is not defined",
    ),
    template(
        "undefined in a loop",
        mains("{% for x in titels %}\n{% endfor %}\n"),
        "SW102",
        ":3",
        "titels is not defined",
    ),
    template(
        "undefined in a comment",
        "# {{ titel }}\nResources: {}\n",
        "SW102",
        ":1",
        "titel is not defined",
    ),
    template(
        "undefined in a filter",
        mains("    A: {{ [titel] | join }}\n"),
        "SW102",
        ":3",
        "titel is not defined",
    ),
    template(
        "undefined beside a tilde",
        mains("    A: {{ 'x' ~ titel }}\n"),
        "SW102",
        ":3",
        "titel is not defined",
    ),
    template(
        "printed macro",
        "{% macro m() %}{% endmacro %}\nA: {{ m }}\n",
        "SW108",
        ":2",
        "the macro m is printed, not called",
        "write m(...)",
    ),
    template(
        "printed filter",
        "A: {{ [title] | map('upper') }}\n",
        "SW108",
        ":1",
        "a generator cannot be printed",
        "end the filters with | list",
    ),
    template("printed function", "A: {{ range }}\n", "SW108", ":1", "a function cannot be printed"),
    template(
        "macro taken apart",
        "{% macro m() %}{{ title }}{% endmacro %}\nA: {{ m() | upper }}\n",
        "SW108",
        ":2",
        "a filter changed the result of a macro",
        "print the macro without the filter",
    ),
    template(
        "macro without an argument",
        "{% macro m(x) %}\n{{ x }}\n{% endmacro %}\nA: {{ m() }}\n",
        "SW102",
        ":2",
        "parameter 'x' was not provided",
        "",
        "templates/main.yaml.j2:4",
    ),
    template(
        "macro with too many arguments",
        "{% macro m() %}{% endmacro %}\nA: {{ m(1) }}\n",
        "SW108",
        ":2",
        "takes no",
    ),
    template(
        "macro that calls itself",
        "{% macro m() %}{{ m() }}{% endmacro %}\nA: {{ m() }}\n",
        "SW108",
        ":1",
        "a macro calls itself without end",
    ),
    template("division by zero", mains("    A: {{ 1 / 0 }}\n"), "SW108", ":3", "ZeroDivisionError"),
    template(
        "sum of text and number", mains("    A: {{ title + 1 }}\n"), "SW108", ":3", "TypeError"
    ),
    template(
        "missing include",
        "A: 1\n{% include 'no.j2' %}\n",
        "SW016",
        ":2",
        "there is no template templates/no.j2",
    ),
    template(
        "missing import",
        "\n{% from 'macros/no.j2' import m %}\nA: 1\n",
        "SW016",
        ":2",
        "there is no template",
    ),
    template(
        "include outside of templates",
        "\n{% include '../params/dev.yaml' %}\n",
        "SW016",
        ":2",
        "there is no template",
    ),
    template(
        "missing macro",
        "{% from 'm.j2' import nope %}\nA: {{ nope() }}\n",
        "SW016",
        ":1",
        "there is no template",
    ),
    template(
        "invalid YAML", mains("    A: 1\n   B: {{ title }}\n"), "SW103", ":4", "not valid YAML"
    ),
    template(
        "invalid YAML after a loop",
        "Resources:\n{% for i in [1, 2] %}\n  A{{ i }}: x: {{ title }}\n{% endfor %}\n",
        "SW103",
        ":3",
        "mapping values are not allowed",
    ),
    template(
        "tab in YAML",
        "Resources:\n\tA: {{ title }}\n",
        "SW103",
        ":2",
        "cannot start any token",
        "indent with spaces",
    ),
    template(
        "key twice",
        mains("    A: 1\n    A: {{ title }}\n"),
        "SW104",
        ":4",
        "duplicate key 'A'",
        "",
        "templates/main.yaml.j2:3",
    ),
    template(
        "resource twice",
        "Resources:\n  A: {Type: x}\n  B: {Type: {{ title }}}\n  A: {Type: x}\n",
        "SW104",
        ":4",
        "duplicate key 'A'",
    ),
    template(
        "deep nesting",
        "A: " + "[" * 3000 + "]" * 3000 + "\nB: {{ title }}\n",
        "SW103",
        ":1",
        "nested deeper than 64",
    ),
    template(
        "number without an end",
        "Metadata:\n  A: .inf\nResources:\n  R: {Type: {{ title }}}\n",
        "SW103",
        ":2",
        ".inf is a number that JSON, and so CloudFormation, cannot hold",
        "quote it",
    ),
    template(
        "null in a text",
        mains("    A: x{{ none }}\n    B: {{ title }}\n"),
        "SW106",
        ":3",
        "is null inside a text",
    ),
    template(
        "list in a text",
        mains('    A: "x{{ [title] }}"\n'),
        "SW106",
        ":3",
        "is a list inside a text",
        "join a list",
    ),
    template(
        "map in a text",
        mains("    A: x{{ {'a': title} }}\n"),
        "SW106",
        ":3",
        "is a map inside a text",
    ),
    template(
        "null after a tag",
        mains("    A: !Ref {{ none }}\n    B: {{ title }}\n"),
        "SW106",
        ":3",
        "must be text after !Ref, not null",
    ),
    template(
        "list after a tag",
        mains("    A: !Sub {{ [title] }}\n"),
        "SW106",
        ":3",
        "must be text after !Sub, not a list",
    ),
    template(
        "null beside a tilde",
        mains("    A: {{ title ~ none }}\n"),
        "SW108",
        ":3",
        "null is joined to a text",
    ),
    template(
        "dynamic reference with a bad service",
        "A: {{ dynref('s3', title) }}\n",
        "SW108",
        ":1",
        "'s3' is not ssm",
    ),
    template(
        "dynamic reference with a bad part",
        "A: {{ dynref('ssm', 'a}}b') }}\n",
        "SW108",
        ":1",
        "cannot stand in a dynamic",
    ),
    template(
        "bad variable of Sub",
        "A: {{ sub_var('a-b') }}\n",
        "SW108",
        ":1",
        "'a-b' is not a logical ID",
    ),
    template(
        "missing local path",
        "A: {{ local_path('lambda/x') }}\n",
        "SW108",
        ":1",
        "the project has no lambda/x",
    ),
    template(
        "local path outside",
        "A: {{ local_path('../..') }}\n",
        "SW108",
        ":1",
        "is outside of the project",
    ),
    Case(
        "failed check",
        {"templates/main.yaml.j2": "\n{{ fail('too few: ' ~ title, 'title') }}\n"},
        "SW017",
        "params/defaults.yaml:1",
        "too few: news",
        others=("templates/main.yaml.j2:2",),
    ),
    template(
        "nested_stacks in a nested",
        "A: {{ nested_stack() }}\n",
        "SW102",
        ":1",
        "nested_stack is not defined",
        "did you mean nested_stacks?",
    ),
    template(
        "assigning to undefined",
        "{% do titel.append(1) %}\nA: 1\n",
        "SW102",
        ":1",
        "titel is not defined",
    ),
    template(
        "JSON with a comma too many",
        '{"Resources": {"A": {{ title }},, }}',
        "SW103",
        ":1",
        "not valid YAML",
    ),
    Case(
        "JSON template that is not JSON",
        {"templates/main.yaml.j2": None, "templates/main.json.j2": '{"A": {{ title }},}'},
        "SW103",
        "templates/main.json.j2:1",
        "not valid JSON",
    ),
    Case(
        "JSON template in YAML",
        {"templates/main.yaml.j2": None, "templates/main.json.j2": "A: {{ title }}\n"},
        "SW103",
        "templates/main.json.j2:1",
        "not valid JSON",
    ),
    Case(
        "undefined in a macro",
        {
            "templates/main.yaml.j2": "{% from 'macros/m.j2' import outer %}\nResources:\n  A:\n    {{ outer() }}\n",
            "templates/macros/m.j2": "{% macro outer() %}\nB:\n  {{ inner() }}\n{% endmacro %}\n{% macro inner() %}\n"
            "C: {{ titel }}\n{% endmacro %}\n",
        },
        "SW102",
        "templates/macros/m.j2:6",
        "titel is not defined",
        "",
        others=("templates/macros/m.j2:3", "templates/main.yaml.j2:4"),
    ),
    Case(
        "undefined key",
        {
            "params/dev.yaml": "network: {zones: [a]}\n",
            "templates/main.yaml.j2": "A: {{ network.zone }}\n",
        },
        "SW102",
        "templates/main.yaml.j2:1",
        "network.zone is not defined",
        "did you mean zones?",
    ),
    Case(
        "undefined index",
        {"params/dev.yaml": "zones: [a]\n", "templates/main.yaml.j2": "A: {{ zones[3] }}\n"},
        "SW102",
        "params/dev.yaml:1",
        "zones is a list, which has no element 3",
        others=("templates/main.yaml.j2:1",),
    ),
    Case(
        "key of null",
        {"params/dev.yaml": "n:\n", "templates/main.yaml.j2": "A: {{ n.x }}\n"},
        "SW102",
        "templates/main.yaml.j2:1",
        "null has no x",
    ),
    Case(
        "key of a number",
        {
            "params/dev.yaml": "\nworker: 5\n",
            "templates/main.yaml.j2": "A: 1\nB: {{ worker.actions }}\n",
        },
        "SW102",
        "params/dev.yaml:2",
        "worker is 5, a number, which has no actions",
        "make worker a map with actions in it",
        others=("templates/main.yaml.j2:2",),
    ),
    Case(
        "key of a key of a number in a block",
        {
            "params/dev.yaml": "w:\n  x: 0.5\n",
            "templates/main.yaml.j2": "A: {{ w.x.y.z }}{{ title }}\n",
        },
        "SW102",
        "params/dev.yaml:2",
        "w.x is 0.5, a number, which has no y",
        others=("templates/main.yaml.j2:1",),
    ),
    Case(
        "key of a text",
        {"templates/main.yaml.j2": "{% macro m(x) %}{{ x.y }}{% endmacro %}\nA: {{ m(title) }}\n"},
        "SW102",
        "params/defaults.yaml:1",
        "title is a text, which has no y",
        others=("templates/main.yaml.j2:1", "templates/main.yaml.j2:2"),
    ),
    Case(
        "key of a list",
        {
            "params/dev.yaml": "\n\nz: [1, 2]\n",
            "templates/main.yaml.j2": "{% if z.a %}{% endif %}A: {{ title }}\n",
        },
        "SW102",
        "params/dev.yaml:3",
        "z is a list, which has no a",
        others=("templates/main.yaml.j2:1",),
    ),
    Case(
        "key of true",
        {"params/dev.yaml": "b: true\n", "templates/main.yaml.j2": "A: {{ b.x }}\n"},
        "SW102",
        "templates/main.yaml.j2:1",
        "true has no x",
    ),
    Case(
        "key of a joined text",
        {"templates/main.yaml.j2": "A: {{ (title ~ 'x').y }}\n"},
        "SW102",
        "templates/main.yaml.j2:1",
        "a text has no y",
    ),
    Case(
        "a number is walked",
        {
            "params/dev.yaml": "n: 5\n",
            "templates/main.yaml.j2": "A: {{ title }}{% for x in n %}{% endfor %}\n",
        },
        "SW108",
        "templates/main.yaml.j2:1",
        "TypeError: 'int' object is not iterable",
    ),
    Case(
        "null parameter in a text",
        {"params/dev.yaml": "n:\n", "templates/main.yaml.j2": "A: x-{{ n }}\n"},
        "SW106",
        "templates/main.yaml.j2:1",
        "n is null inside a text",
        "give it a value",
    ),
    Case(
        "unused parameter",
        {"params/dev.yaml": "\nother: 1\n"},
        "SW110",
        "params/dev.yaml:2",
        "no template uses the parameter other",
        "remove it",
    ),
    Case(
        "unused nested parameter",
        {
            "params/dev.yaml": "a:\n  b: 1\n  c: 2\n",
            "templates/main.yaml.j2": "A: {{ a.b }}{{ title }}\n",
        },
        "SW110",
        "params/dev.yaml:3",
        "no template uses the parameter a.c",
    ),
    Case(
        "misspelt block",
        {
            "params/defaults.yaml": "title: news\nworker: {memory: 1}\n",
            "params/dev.yaml": "workr:\n  memory: 5\n",
            "templates/main.yaml.j2": "A: {{ worker.memory }}{{ title }}\n",
        },
        "SW110",
        "params/dev.yaml:2",
        "no template uses the parameter workr.memory",
        "did you mean worker?",
    ),
    Case(
        "misspelt block in a block",
        {
            "params/dev.yaml": "a:\n  worker: {memory: 1}\n  workr: {memory: 5}\n",
            "templates/main.yaml.j2": "A: {{ a.worker.memory }}{{ title }}\n",
        },
        "SW110",
        "params/dev.yaml:3",
        "no template uses the parameter a.workr.memory",
        "did you mean worker?",
    ),
    Case(
        "a dot in a key",
        {
            "params/defaults.yaml": "title: news\nworker: {memory: 1}\n",
            "params/dev.yaml": "worker.memory: 5\n",
            "templates/main.yaml.j2": "A: {{ worker.memory }}{{ title }}\n",
        },
        "SW110",
        "params/dev.yaml:1",
        "no template uses the parameter 'worker.memory': with a dot in it, that is one key, not memory in worker",
        "write memory: below worker:",
    ),
    Case(
        "dots in a key of a block",
        {
            "params/defaults.yaml": "title: news\na: {b: {c: {d: 1}}}\n",
            "params/dev.yaml": "a:\n  b.c.d: 5\n",
            "templates/main.yaml.j2": "A: {{ a.b.c.d }}{{ title }}\n",
        },
        "SW110",
        "params/dev.yaml:2",
        "no template uses the parameter 'b.c.d' of a: with a dot in it, that is one key, not d in b.c",
        "write d: below c: below b:",
    ),
    Case(
        "a block below a key with a dot",
        {
            "params/defaults.yaml": "title: news\na: {b: {c: 1}}\n",
            "params/dev.yaml": "a.b:\n  c: 5\n",
            "templates/main.yaml.j2": "A: {{ a.b.c }}{{ title }}\n",
        },
        "SW110",
        "params/dev.yaml:2",
        "no template uses the parameter 'a.b': with a dot in it, that is one key, not b in a",
        "write b: below a:",
    ),
    schema(
        "a dot in a key, with a schema",
        "network: {cidr: 10.0.0.0/16}\ntask.cpu: 5\n",
        "SW010",
        ":2",
        "unknown parameter 'task.cpu': with a dot in it, that is one key, not cpu in task",
        "write cpu: below task:",
    ),
]

STACKS = [
    stacks("stacks is a map", "stacks: {app: 1}\n", ":1", "stacks must be a list of stack names"),
    stacks("stacks is empty", "stacks: []\n", ":1", "stacks must be a list of stack names"),
    stacks("stacks is null", "stacks:\n", ":1", "stacks must be a list of stack names"),
    stacks(
        "a number",
        "stacks:\n  - app\n  - 5\n",
        ":3",
        "stacks[1] is not a stack",
        "write a name, or {name:",
    ),
    stacks("a list", "stacks: [[app]]\n", ":1", "stacks[0] is not a stack"),
    stacks("unknown field", "stacks:\n  - {name: app, wen: x}\n", ":2", "stacks[0] is not a stack"),
    stacks("no name", "stacks:\n  - {when: x}\n", ":2", "stacks[0] is not a stack"),
    stacks(
        "nested number",
        "stacks:\n  - app:\n      - one\n      - 7\n",
        ":4",
        "stacks[0].app[1] is not a stack",
    ),
    stacks("root twice", "stacks:\n  - app\n  - app\n", ":3", "the stack app is listed twice"),
    stacks(
        "nested twice",
        "stacks:\n  - app:\n      - one\n      - one\n",
        ":4",
        "the stack one is listed twice",
    ),
    stacks(
        "names with the same logical ID",
        "stacks:\n  - app:\n      - {name: a-b, template: one}\n      - {name: aB, template: one}\n",
        ":4",
        "the stacks a-b and aB have the same logical ID AB",
        "rename one of them",
    ),
    stacks(
        "name that is no path",
        "stacks:\n  - {name: ../../x, template: app}\n",
        ":2",
        "cannot be a stack's name",
        "use letters, digits, '-', '_' and '.', beginning with a letter",
    ),
    stacks(
        "template that is a path",
        "stacks:\n  - {name: x, template: ../../y}\n",
        ":2",
        "has no template",
        code="SW016",
    ),
    stacks(
        "with that is a list", "stacks:\n  - {name: app, with: [1]}\n", ":2", "with must be a map"
    ),
    stacks(
        "nested stack without template",
        "stacks:\n  - app:\n      - one\n      - tow\n",
        ":4",
        "the stack tow has no template templates/app/tow.yaml.j2",
        "did you mean two?",
        code="SW016",
    ),
    stacks(
        "root without template",
        "stacks: [zzz]\n",
        ":1",
        "the stack zzz has no template",
        "write templates/zzz.yaml.j2",
        code="SW016",
    ),
    stacks(
        "after a later stack",
        "stacks:\n  - app:\n      - {name: one, after: [two]}\n      - two\n",
        ":3",
        "comes after two, which is not an earlier stack",
    ),
    stacks(
        "after itself",
        "stacks:\n  - app:\n      - {name: one, after: one}\n",
        ":3",
        "comes after one, which is not an earlier stack",
    ),
    stacks(
        "when that fails",
        "stacks:\n  - {name: app, when: nope}\n",
        ":2",
        "the condition of app, 'nope', fails: nope is not defined",
    ),
    stacks(
        "when with a syntax error",
        "stacks:\n  - {name: app, when: 'a b'}\n",
        ":2",
        "the condition of app, 'a b', fails",
    ),
    stacks(
        "when that divides by zero",
        "stacks:\n  - {name: app, when: '1 / 0 > 1'}\n",
        ":2",
        "the condition of app",
    ),
    stacks(
        "no stack enabled", "stacks:\n  - {name: app, when: 'false'}\n", ":2", "no stack is enabled"
    ),
    Case(
        "no templates",
        {"templates/main.yaml.j2": None},
        "SW016",
        "templates",
        "there are no templates",
        "write templates/",
    ),
]

WIRES = [
    nested(
        "missing wire",
        {"templates/app/one.yaml.j2": "Resources: {A: {Type: x}}\n"},
        "SW201",
        "templates/app/two.yaml.j2:2",
        "nothing supplies the Parameter Id of app/two",
        "Add the Output to an earlier stack",
    ),
    nested(
        "misspelt wire",
        {
            "templates/app/one.yaml.j2": "Resources: {A: {Type: x}}\nOutputs: {Idd: {Value: 1}}\n",
            "templates/app.yaml.j2": "Resources:\n  {{ nested_stacks() }}\n"
            "Outputs: {A: {Value: !GetAtt One.Outputs.Idd}}\n"
            "",
        },
        "SW201",
        "templates/app/two.yaml.j2:2",
        "nothing supplies the Parameter Id",
        "did you mean Idd?",
    ),
    nested(
        "ambiguous wire",
        {
            "templates/app.yaml.j2": "Parameters:\n  Id: {Type: String}\nResources:\n  {{ nested_stacks() }}\n"
        },
        "SW202",
        "templates/app/two.yaml.j2:2",
        "has 2 sources: the Output of one; the Parameter of the root app",
        "rename all but one",
    ),
    nested(
        "given and wired",
        {
            "templates/app.yaml.j2": "Resources:\n  {{ nested_stacks(parameters={'two': {'Id': 1}}) }}\n"
        },
        "SW202",
        "templates/app/two.yaml.j2:2",
        "has 2 sources: a value given in the root; the Output of one",
    ),
    nested(
        "image and output",
        {
            "params/dev.yaml": "images: {web: {}}\n",
            "templates/app/one.yaml.j2": "Resources: {A: {Type: x}}\nOutputs: {WebImage: {Value: 1}}\n",
            "templates/app/two.yaml.j2": "Parameters:\n  WebImage: {Type: String}\nResources: {A: {Type: x}}\n",
        },
        "SW202",
        "templates/app/two.yaml.j2:2",
        "the Output of one; the image web",
    ),
    nested(
        "value for an unknown parameter",
        {
            "templates/app.yaml.j2": "Resources:\n  {{ nested_stacks(parameters={'two': {'Ido': 1}}) }}\n"
        },
        "SW203",
        "templates/app/two.yaml.j2:1",
        "app/two has no Parameter Ido to give a value",
        "did you mean Id?",
    ),
    nested(
        "value for an unknown stack",
        {"templates/app.yaml.j2": "Resources:\n\n  {{ nested_stacks(parameters={'tow': {}}) }}\n"},
        "SW108",
        "templates/app.yaml.j2:3",
        "there is no nested stack tow to give values",
    ),
    nested(
        "unused output",
        {"templates/app/two.yaml.j2": "Resources: {A: {Type: x}}\n"},
        "SW204",
        "templates/app/one.yaml.j2:4",
        "no stack uses the Output Id of app/one",
        "remove it",
    ),
    nested(
        "wrong order",
        {"params/defaults.yaml": "stacks:\n  - app: [two, one]\n"},
        "SW205",
        "templates/app/two.yaml.j2:2",
        "nothing supplies the Parameter Id of app/two",
        "app/one has that Output but comes later: change the order",
    ),
    nested(
        "cycle",
        {
            "templates/app/one.yaml.j2": "Parameters:\n  Back: {Type: String}\nResources: {A: {Type: x}}\n"
            "Outputs: {Id: {Value: 1}}\n"
            "",
            "templates/app/two.yaml.j2": "Parameters:\n  Id: {Type: String}\nResources: {A: {Type: x}}\n"
            "Outputs: {Back: {Value: 1}}\n"
            "",
        },
        "SW205",
        "templates/app/one.yaml.j2:2",
        "the stacks depend on each other in a circle",
    ),
    nested(
        "own output",
        {
            "templates/app/two.yaml.j2": "Parameters:\n  Id2: {Type: String}\nResources: {A: {Type: x}}\n"
            "Outputs: {Id2: {Value: 1}}\n"
            ""
        },
        "SW205",
        "templates/app/two.yaml.j2:2",
        "nothing supplies the Parameter Id2",
        "itself has that Output",
    ),
    nested(
        "root without nested_stacks",
        {"templates/app.yaml.j2": "Resources: {A: {Type: x}}\n"},
        "SW109",
        "templates/app.yaml.j2:1",
        "has nested stacks but does not print them",
        "write {{ nested_stacks() }}",
    ),
    nested(
        "root without wired_parameters",
        {
            "params/dev.yaml": "images: {web: {}}\n",
            "templates/app.yaml.j2": "Resources:\n  {{ nested_stacks() }}\n",
            "templates/app/two.yaml.j2": "Parameters:\n  Id: {Type: String}\n  WebImage: {Type: String}\n"
            "Resources: {A: {Type: x}}\n"
            "",
        },
        "SW109",
        "templates/app.yaml.j2:1",
        "does not declare WebImage",
        "write {{ wired_parameters() }}",
    ),
    nested(
        "nested template that fails",
        {"templates/app/one.yaml.j2": "Resources: {{ nope }}\n"},
        "SW102",
        "templates/app/one.yaml.j2:1",
        "nope is not defined",
    ),
]

CASES = [*LOADING, *BY_SCHEMA, *DOTENV, *TEMPLATES, *STACKS, *WIRES]

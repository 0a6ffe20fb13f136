"""Codes of inputs, templates, wiring and linting: SW0, SW1, SW2 and SW38 to SW39."""

from __future__ import annotations

from .model import Code

RENDERING_CODES = (
    Code(
        "SW001",
        "Project or environment not found",
        "Name the project's folder with --project and one of its environments with --env, or "
        "create the environment with `init`.",
    ),
    Code(
        "SW002",
        "File too large, not UTF-8, or unreadable",
        "Save the file as UTF-8 text below 10 MB, and check its permissions.",
    ),
    Code("SW003", "Parameters file is not valid YAML", "Correct the syntax at the line shown."),
    Code(
        "SW004",
        "Key or variable given twice",
        "Remove one of the two lines shown.",
        "YAML and dotenv readers silently take one of them.",
    ),
    Code(
        "SW005",
        "Tag in a parameters file",
        "Remove the tag: parameters are plain data, and intrinsic functions belong in templates.",
    ),
    Code(
        "SW006",
        "Alias contains itself or expands too far",
        "Write the values out instead of using aliases of aliases.",
    ),
    Code(
        "SW007",
        "Line of a dotenv file is not NAME=value",
        "Write NAME=value, with quotes around a value that spans lines.",
    ),
    Code(
        "SW008",
        "params/schema.json is not a JSON Schema",
        "Correct the schema at the place shown; it must follow JSON Schema 2020-12.",
    ),
    Code(
        "SW009",
        "--set is not key.path=value, or --set-env names no variable",
        "Write for example --set gateway.cpu=1024.",
    ),
    Code(
        "SW010",
        "Unknown parameter",
        "Correct the name, or declare the parameter in params/schema.json.",
    ),
    Code(
        "SW011",
        "Parameter of the wrong type",
        "Give a value of the type shown; text that looks like a number needs quotes.",
    ),
    Code(
        "SW012",
        "Parameter value not allowed",
        "Give a value of the form or within the bounds shown; docs/parameters.md lists them.",
    ),
    Code(
        "SW013",
        "Required parameter missing",
        "Add the parameter to params/defaults.yaml or to the environment's file.",
    ),
    Code(
        "SW014",
        "Parameters file names another environment",
        "Remove the line: the name of the file is the environment.",
    ),
    Code(
        "SW015",
        "Invalid entry in stacks:",
        "Write a name, or {name: …, when: …, template: …, with: {…}, after: […]}.",
    ),
    Code(
        "SW016", "Template not found", "Write the template shown, or correct the name in stacks:."
    ),
    Code(
        "SW017",
        "Check of the project failed: fail() in a template",
        "Change the parameter that the message names.",
    ),
    Code(
        "SW018",
        "--env-dir is not a folder",
        "Name the folder that holds aws.env, .env and keys.env.example.",
        "A misspelt folder would render without any variable of the services.",
    ),
    Code(
        "SW020",
        "Variable would override a role's credentials",
        "Remove the line: tasks and functions get credentials from their roles.",
        "The SDKs prefer such a variable to the role.",
    ),
    Code(
        "SW021",
        "Variable is computed by the templates",
        "Remove the line.",
        "The value in the file has no effect.",
    ),
    Code(
        "SW022",
        "Secret in a file of plain variables",
        "Move it to keys.env, or list the name under variables.plain if it is public.",
        "It would be printed into the templates.",
    ),
    Code(
        "SW023",
        "Variables for functions exceed 4 KB",
        "Shorten them, or keep them in a file of the function.",
        "Lambda refuses more.",
        "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html",
    ),
    Code(
        "SW024",
        "keys.env and keys.env.example disagree",
        "Add the name to the file that lacks it, or remove it from the other one.",
        "Everyone must render the same names.",
    ),
    Code(
        "SW025",
        "Value in keys.env.example",
        "Remove the value, and replace the secret where it is used: the example is committed.",
        "The example is committed and must hold names only.",
    ),
    Code(
        "SW026",
        "Value of a NoEcho Parameter on the command line",
        "Use --set-file or --set-env, or let plan and deploy ask for it on a terminal.",
        "The shell's history keeps a command line, and the process list shows it to everybody.",
    ),
    Code(
        "SW027",
        "Number with too many digits",
        "Put the number in quotes if it is text.",
    ),
    Code(
        "SW028",
        "Link that leaves the project, or FIFO, socket or device",
        "Replace the link by a copy of its target, and remove special files.",
        "A link would publish a file of the machine that renders, and reading a FIFO never ends.",
    ),
    Code(
        "SW029",
        "State folder in the repository",
        "Remove .stackwright/ from git: `git rm -r --cached .stackwright`.",
        "It holds the state of one checkout; whoever committed it would be believed.",
    ),
    Code(
        "SW030",
        "build/ or the temporary folder cannot be written",
        "Free some space, or correct the owner and mode of the folder shown.",
    ),
    Code("SW031", "Committed build differs from the inputs", "Run `render` and commit build/."),
    Code("SW032", "Name not found", "Use one of the names that the message suggests."),
    Code(
        "SW033",
        "File exists already, or its name is not allowed",
        "Edit the existing file, or choose another name.",
    ),
    Code(
        "SW034",
        "Variable and parameter disagree",
        "Remove one of the two lines: a variable that stands for a parameter is given once.",
        "One of the two values would be ignored.",
    ),
    Code(
        "SW035",
        "Variable that nothing reads, or in the wrong dotenv file",
        "Correct the name, move the line to the other file, or list the name under variables.aws.",
        "The value in the file has no effect.",
    ),
    Code(
        "SW036",
        "Required variable missing",
        "Write the variable in .env; variables.required lists those that each service needs.",
        "The service would start without it, and fail later.",
    ),
    Code("SW101", "Jinja syntax error", "Correct the template at the line shown."),
    Code(
        "SW102",
        "Undefined name in a template",
        "Correct the name, or add the parameter to params/.",
    ),
    Code(
        "SW103",
        "Template does not render to valid YAML or JSON",
        "Correct the template at the line shown; `explain` tells where a value comes from.",
    ),
    Code(
        "SW104",
        "Key given twice in a rendered template",
        "Remove one of the two keys.",
        "CloudFormation silently takes one of them.",
    ),
    Code(
        "SW105",
        "Template is empty or has no sections",
        "Write at least Resources:, or switch the stack off with `when` in stacks:.",
    ),
    Code(
        "SW106",
        "Value is null, a list or a map where text is needed",
        "Give the parameter a value, or print it with a filter such as | join or | tojson.",
    ),
    Code(
        "SW107",
        "Parameter value that CloudFormation would resolve",
        "Write the dynamic reference or intrinsic function in the template, with dynref(…) or "
        "!Ref.",
        "{{resolve:…}} in a parameter would read a secret.",
    ),
    Code("SW108", "Expression in a template fails", "Correct the expression at the line shown."),
    Code(
        "SW109",
        "Root template does not print its nested stacks or their Parameters",
        "Print {{ nested_stacks() }} below Resources and {{ wired_parameters() }} below "
        "Parameters.",
    ),
    Code(
        "SW110",
        "Parameter that no template uses",
        "Correct the name, or remove the parameter.",
        "Most likely the name is misspelt.",
    ),
    Code(
        "SW111",
        "Template reaches for Python's internals",
        "Use parameters, filters and macros only; templates run in a sandbox.",
        "A template comes from a pull request, and must not run programs or read credentials.",
    ),
    Code(
        "SW112",
        "Rendering takes too long, or a value grows too large",
        "Shorten the loop, recursion or value at the line shown; docs/templates.md lists the "
        "limits.",
        "A loop without end would block the pipeline.",
    ),
    Code(
        "SW199", "Defect of the renderer", "Please report it with the template and the parameters."
    ),
    Code(
        "SW201",
        "Nested stack's Parameter has no source",
        "Add an Output of that name to an earlier stack, or declare the Parameter in the root.",
    ),
    Code("SW202", "Parameter has more than one source", "Rename all sources but one."),
    Code(
        "SW203",
        "Value given for a Parameter that does not exist",
        "Correct the name, or declare the Parameter in the nested stack.",
    ),
    Code(
        "SW204",
        "Unused Output",
        "Remove the Output, or declare a Parameter of that name in a later stack.",
    ),
    Code(
        "SW205",
        "Parameter that only a later stack could supply",
        "Move the stack that has the Output before the one that needs it in stacks:.",
    ),
    Code("SW380", "Waiver without a code or a reason", "Write {id: SW…, reason: …}."),
    Code(
        "SW382",
        "Waiver of a guardrail does not count",
        "Write {kind: access, reason: …, until: YYYY-MM-DD}, at most a year ahead.",
        "Without a reason nobody can judge it, and without an end it outlives its reason.",
    ),
    Code("SW381", "Unused waiver", "Remove the waiver.", "It would hide the next finding."),
    Code(
        "SW390",
        "cfn-lint did not finish in time",
        "Simplify the Conditions of the template, or render with --no-lint and run cfn-lint by "
        "hand.",
        "The time grows with every combination of Conditions.",
    ),
    Code(
        "SW391",
        "cfn-lint ended early",
        "Run `doctor`, which names missing packages, and try again.",
    ),
    Code(
        "SW392",
        "Region unknown to cfn-lint",
        "Correct the parameter region, or install a newer cfn-lint.",
        "Most likely the name is misspelt.",
    ),
)

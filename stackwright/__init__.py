"""Jinja-templated CloudFormation, rendered, checked, previewed and deployed.

A deployment passes these stages; each is a package with a face, and nothing is changed after it is
made:

1.  ``config``     reads parameters, schema and dotenv files: a `Config`, in which every value knows
    its file and line.
2.  ``render``     renders the templates and wires nested stacks by name: a `Rendering`.
3.  ``lint``       runs cfn-lint and our own rules: a `Report` of problems at template lines. A
    rendering without errors replaces ``build/<env>`` as a whole.
4.  ``artifacts``  names zips and templates by their content: a `Bundle`, uploaded where absent; it
    also pushes images and secret values.
5.  ``plan``       reads the live stacks and makes change sets, compares them with the prediction of
    ``diff``, and finds changes that need approval: a `Plan`.
6.  ``preflight``  checks the account for what would make the deployment fail.
7.  ``deploy``     executes the change sets and follows them to the end, rollbacks included: an
    `Outcome` with the first cause of a failure.
8.  ``health``     verifies services, targets, functions and alarms.
9.  ``releases``   records a numbered release, from which a rollback restores the stacks.

``core`` and ``cfn`` hold what all of them use: values and errors; CloudFormation's semantics.
``aws`` alone calls AWS, ``emulator`` is a CloudFormation on this machine. ``report`` writes text,
Markdown, JSON and SVG, and ``cli`` knows the verbs, prints and exits. Stages 1 to 3 need neither
credentials nor a network; building a bundle fetches only the packages of functions.
"""

__version__ = "0.1.0"

"""Jinja-templated CloudFormation, rendered, checked, previewed and deployed.

The pipeline, one public function a stage, nothing mutated on the way:

1. ``load.load``      params, schema and dotenv files become a `Config`; every value remembers its
   file and line.
2. ``render.render``  the templates become a `Rendering`: documents with a source map, nested stacks
   wired by name (``wire.wire`` decides, ``render`` prints).
3. ``check.check``    cfn-lint and our own rules turn the rendering into a `Report` of problems at
   template lines.
4. ``output.write``   ``build/<env>`` is replaced as a whole, or not at all.
5. ``package.package``  local paths become addresses named by content: a `Bundle` of function zips
   and templates.
6. ``upload.upload``  what the bucket does not have yet is brought there.

``render_cache`` keeps what 2 and 3 made of the same inputs before. Beside it, ``secret_values``
puts the values of keys.env into Secrets Manager, and ``images`` brings container images to the
registry; both resolve what a deployment binds, version ids and digests. ``aws`` is all that calls
AWS.

A deployment goes on with what is in the account, unless ``unchanged.nothing`` tells that nothing is
to be done:

7. ``targets.target``   what each root stack is asked to become, by the outputs, digests and secret
   versions so far.
8. ``preflight.preflight``  what has to be right in the account beforehand.
9. ``plan.preview``     a change set with nested ones, held against our own prediction: a
   `RootPlan`; ``plan.seal`` keeps it for a later ``deploy --plan``. ``gates.dangers`` says what of
   it nobody may do by accident.
10. ``apply.apply``     executes it and follows it to its end, rollback included: an `Outcome` with
    the first cause.
11. ``verify.verify``   whether what runs is well.
12. ``release.finish``  keeps a numbered record, from which ``release.targets`` restores it, and
    what ``leftover.leftovers`` finds of root stacks that left the parameters.

``cli*`` are the only places that know the order, print, or exit. Up to 4 nothing needs credentials
or a network; 5 only what pip fetches.
"""

__version__ = "0.1.0"

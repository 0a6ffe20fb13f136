"""What CloudFormation means, as code: pure, offline, and without any state.

In the order in which the modules build on one another:

- ``template``: YAML or JSON text -> :class:`~stackwright.cfn.template.Template`, refused as CloudFormation
  refuses.
- ``schema``: what each resource type allows, returns, and replaces when it changes.
- ``values``: a value known only after apply, with its causes, and values that remember what they depend on.
- ``intrinsics``: template + parameters + the world -> values.
- ``graph``: what depends on what, an order, and cycles by name.
- ``changes``: a stack before and after -> the changes, as ``DescribeChangeSet`` lists them and as they will
  happen.
"""

"""CloudFormation's API on the emulated world: one module for each family of actions.

``cloudformation`` dispatches a request to the family that answers it. Arguments and results have
the API's own shapes; error codes and texts are AWS's where they are publicly known.

docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/
"""

"""Operations on stacks: create, update, delete, roll back, import.

An operation is an object (:class:`~.operation.StackOperation`): it has the stack on which it acts,
the world around it (:class:`~.world.EmulatedWorld`), a schedule of steps in the order of their
dependencies, and the log to which every event goes. Statuses, reasons and the order of events are
those of CloudFormation.

docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html and
.../using-cfn-updating-stacks-update-behaviors.html; the order of events as recorded in
``tests/cfn/recorded``.
"""

"""Rehearsals: one build deployed over another in a private local CloudFormation.

Two build folders go in, a :class:`~.model.Rehearsal` comes out: the steps of each root stack with
their times, and a rollback after an injected failure. Nothing leaves the process and no time
passes: a virtual clock runs ahead, by typical durations. Values that exist only outside of the
templates (digests of images, versions of secrets) are replaced by values that change where their
declaration changed.
"""

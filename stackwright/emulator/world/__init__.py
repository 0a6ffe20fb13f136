"""The account and Region that the emulator plays: its state, its time, its services and its faults.

Nothing here acts by itself. ``state`` holds stacks, resources, events and change sets; ``clock``
plans callbacks; ``identity`` shapes physical ids; ``provider`` and ``backend`` stand for the
services behind the resource types; ``faults`` fail on request; ``durations`` are typical times in
AWS; ``settings`` configure one emulator.
"""

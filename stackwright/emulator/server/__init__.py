"""The emulator as a server on the loopback interface.

``server`` serves the ``application``, which answers CloudFormation's requests itself (``protocol``)
and hands every other service's to moto; ``admin`` has its own actions (status, reset, faults …) and
``fault_answers`` the errors of faults. ``journal`` keeps its state across restarts; ``lifecycle``
starts, finds and stops it in the background.
"""

"""A local CloudFormation: a world, and the actions on it."""

from __future__ import annotations

from collections.abc import Callable

from ...cfn import Schemas, ValidationError
from ..operation.world import EmulatedWorld
from ..world.backend import Backend, BackendContext, connect_schemas
from ..world.clock import Clock
from ..world.durations import typical_seconds
from ..world.faults import AnyFault, FaultPlan
from ..world.identity import Identities
from ..world.settings import EmulatorSettings
from ..world.state import EmulatorState
from .actions import Action, ActionFamily, Arguments, Pages, Result
from .change_sets import ChangeSetActions
from .definitions import DefinitionReader
from .drift import DriftActions
from .errors import ApiError, invalid
from .events import EventActions
from .exports import ExportActions
from .protection import ProtectionActions
from .resources import ResourceActions
from .stacks import StackActions
from .templates import TemplateActions

_FAMILIES: tuple[type[ActionFamily], ...] = (
    StackActions,
    ChangeSetActions,
    EventActions,
    ResourceActions,
    TemplateActions,
    DriftActions,
    ExportActions,
    ProtectionActions,
)


class LocalCloudFormation:
    """A local CloudFormation for one account and Region.

    ``connect`` makes the services in which resources exist; without it they exist in their stacks
    only. ``latency`` and ``realistic`` are those of the settings, and may change at any time.
    """

    def __init__(
        self,
        settings: EmulatorSettings | None = None,
        connect: Callable[[BackendContext], Backend] = connect_schemas,
    ) -> None:
        self.settings = settings or EmulatorSettings()
        self._connect = connect
        self.latency, self.realistic = self.settings.latency, self.settings.realistic
        self.pages = Pages(self.settings.page)
        self.reset()

    def reset(self) -> None:
        """Forget all stacks, change sets and faults, and connect to the services anew."""
        settings = self.settings
        clock, identities = Clock(settings.source), Identities(settings.seed)
        faults = FaultPlan()
        context = BackendContext(settings, clock, identities, self.seconds, faults)
        self.world = EmulatedWorld(
            clock=clock,
            store=EmulatorState(),
            identities=identities,
            schemas=Schemas(settings.pseudo.region),
            pseudo=settings.pseudo,
            backend=self._connect(context),
            latency=self.seconds,
            faults=faults,
            die=settings.die,
        )
        definitions = DefinitionReader(
            self.world.schemas, settings.fetch, self.world.backend.stored
        )
        self._actions: dict[str, Action] = {}
        for family in _FAMILIES:
            self._actions |= family(self.world, definitions, self.pages).actions()
        self._answers: dict[tuple[str, str], tuple[tuple[str, Arguments], Result]] = {}

    @property
    def store(self) -> EmulatorState:
        """All stacks and change sets."""
        return self.world.store

    @property
    def clock(self) -> Clock:
        """The clock, which runs only while a request is answered."""
        return self.world.clock

    @property
    def faults(self) -> FaultPlan:
        """The faults still to come."""
        return self.world.faults

    def seconds(self, type_: str, operation: str) -> float:
        """The seconds that an operation on a type takes."""
        if self.realistic:
            return self.realistic * typical_seconds(type_, operation)
        return self.latency(type_, operation)

    def call(self, action: str, arguments: Arguments) -> Result:
        """Answer one action.

        Raises:
            ApiError: the answer is an error.
        """
        handler = self._actions.get(action)
        if handler is None:
            text = f"Could not find operation {action} for version 2010-05-15"
            raise ApiError("InvalidAction", text)
        self.clock.advance()
        try:
            return self._answer(action, handler, arguments)
        except ValidationError as error:
            raise invalid(error.message) from None
        finally:
            self.clock.advance()

    def _answer(self, action: str, handler: Action, arguments: Arguments) -> Result:
        """Answer an action; one that is repeated with its ``ClientRequestToken`` gets its first
        answer again."""
        token = arguments.get("ClientRequestToken")
        if token is None:
            return handler(arguments)
        key = (arguments.get("StackName", arguments.get("ChangeSetName", "")), token)
        if key in self._answers:
            request, answer = self._answers[key]
            if request != (action, arguments):
                text = "A client request token already exists."
                raise ApiError("TokenAlreadyExistsException", text)
            return answer
        answer = handler(arguments)
        self._answers[key] = ((action, arguments), answer)
        return answer

    def fault(self, fault: AnyFault) -> None:
        """Let a later operation or request fail, tasks be unhealthy, or the server end."""
        self.faults.add(fault)

    def clear_faults(self) -> None:
        """Forget all faults."""
        self.faults.clear()

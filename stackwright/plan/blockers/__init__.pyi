from .exports import find_awaited_exports as find_awaited_exports
from .find import find_blockers as find_blockers
from .find import require_unblocked as require_unblocked
from .names import RootChange as RootChange
from .taken import IDENTIFIERS as IDENTIFIERS
from .taken import find_identifier as find_identifier

from .find import find_blockers as find_blockers
from .find import require_unblocked as require_unblocked
from .names import NamedResource as NamedResource
from .names import RootChange as RootChange
from .names import is_static_name as is_static_name
from .names import list_created as list_created
from .names import type_noun as type_noun

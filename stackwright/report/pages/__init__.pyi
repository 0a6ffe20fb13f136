from .codes import rules_page as rules_page
from .parameters import parameters_page as parameters_page
from .preflight import preflight_page as preflight_page
from .protections import protections_page as protections_page
from .verbs import OptionReference as OptionReference
from .verbs import VerbReference as VerbReference
from .verbs import verbs_page as verbs_page

from .check import Linter as Linter
from .check import check_rendering_folders as check_rendering_folders
from .rules import RULES as RULES
from .rules import catalogue as catalogue

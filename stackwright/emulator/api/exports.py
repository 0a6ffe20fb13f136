"""Exports and imports of outputs."""

from __future__ import annotations

from collections.abc import Mapping

from ..operation.exports import find_importers
from .actions import Action, ActionFamily, Arguments, Result
from .errors import invalid


class ExportActions(ActionFamily):
    """The actions on exports."""

    def actions(self) -> Mapping[str, Action]:
        return {"ListExports": self.list_exports, "ListImports": self.list_imports}

    def list_exports(self, arguments: Arguments) -> Result:
        exports = [
            {"ExportingStackId": stack.id, "Name": name, "Value": value}
            for name, (value, stack) in sorted(self.world.store.exports().items())
        ]
        return self.pages.cut("Exports", exports, arguments)

    def list_imports(self, arguments: Arguments) -> Result:
        name = arguments["ExportName"]
        importers = find_importers(self.world, name)
        if not importers:
            raise invalid(f"Export '{name}' is not imported by any stack.")
        return self.pages.cut("Imports", importers, arguments)

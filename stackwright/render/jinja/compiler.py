"""Compile templates so that each piece of output tells its template line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.idtracking import VAR_LOAD_RESOLVE

INTERCEPTED = frozenset(("*", "**", "+", "%"))
"""The operators whose results may be too large; compiled templates call ``call_binop`` for them."""


class TracingCompiler(CodeGenerator):
    """Compiles each child of an Output by itself: Jinja would merge constants and lose their
    lines. Loops check the time, and lists and maps are measured when they are made."""

    def visit_For(self, node: nodes.For, frame: Frame) -> None:
        """Write code whose loop checks the time limit at each step."""
        watch = nodes.EnvironmentAttribute("watch", lineno=node.lineno)
        node.iter = nodes.Call(watch, [node.iter], [], None, None, lineno=node.iter.lineno)
        super().visit_For(node, frame)

    def visit_List(self, node: nodes.List, frame: Frame) -> None:
        """Write code that makes a list and measures it."""
        self._measured(super().visit_List, node, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:
        """Write code that makes a map and measures it."""
        self._measured(super().visit_Dict, node, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:
        """Write code that makes a tuple and measures it, or that unpacks one."""
        if node.ctx == "load":
            self._measured(super().visit_Tuple, node, frame)
        else:
            super().visit_Tuple(node, frame)

    def _measured(
        self, visit: Callable[[Any, Frame], None], node: nodes.Node, frame: Frame
    ) -> None:
        self.write("environment.limits.measured(")
        visit(node, frame)
        self.write(")")

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:
        """Write code that makes a Chunk of text, and calls ``print_value`` for an expression."""
        if frame.require_output_check:
            if self.has_known_extends:
                return
            self.writeline("if parent_template is None:")
            self.indent()
        for child in node.nodes:
            self._begin(child, frame)
            if isinstance(child, nodes.TemplateData):
                self.write(f"environment.make_chunk({child.data!r}, {self.name!r}, {child.lineno})")
            else:
                self.write("environment.print_value(environment.count_reads(), ")
                self.visit(child, frame)
                self.write(f", {self.name!r}, {child.lineno}, (")
                for name in child.find_all(nodes.Name):
                    self.visit(name, frame)
                    self.write(", ")
                self.write(f"), {self._from_context(child, frame)!r})")
            if frame.buffer is not None:
                self.write(")")
        if frame.require_output_check:
            self.outdent()

    @staticmethod
    def _from_context(node: nodes.Node, frame: Frame) -> tuple[str, ...]:
        """Return the names in an expression that are not the template's own variables."""
        loads = {
            name.name: frame.symbols.find_load(reference)
            for name in (node, *node.find_all(nodes.Name))
            if isinstance(name, nodes.Name)
            and (reference := frame.symbols.find_ref(name.name)) is not None
        }
        return tuple(
            name for name, load in loads.items() if load is not None and load[0] == VAR_LOAD_RESOLVE
        )

    def _begin(self, node: nodes.Node, frame: Frame) -> None:
        self.writeline("yield " if frame.buffer is None else f"{frame.buffer}.append(", node)

    def visit_CallBlock(self, node: nodes.CallBlock, frame: Frame) -> None:
        """Write code that prints the result of a call block, without its last line end."""
        call_frame, macro_ref = self.macro_body(node, frame)
        self.writeline("caller = ")
        self.macro_def(macro_ref, call_frame)
        self._begin(node, frame)
        self.write("environment.print_block(environment.count_reads(), ")
        self.visit_Call(node.call, frame, forward_caller=True)
        self.write(f", {self.name!r}, {node.lineno})" + (")" if frame.buffer is not None else ""))

    def visit_FilterBlock(self, node: nodes.FilterBlock, frame: Frame) -> None:
        """Write code that prints the result of a filter block, without its last line end."""
        inner = frame.inner()
        inner.symbols.analyze_node(node)
        self.enter_frame(inner)
        self.buffer(inner)
        self.blockvisit(node.body, inner)
        self._begin(node, frame)
        self.write("environment.print_block(environment.count_reads(), ")
        self.visit_Filter(node.filter, inner)
        self.write(f", {self.name!r}, {node.lineno})" + (")" if frame.buffer is not None else ""))
        self.leave_frame(inner)

    def visit_Include(self, node: nodes.Include, frame: Frame) -> None:
        """Write code that notes the line of the include while the included template runs."""
        self.writeline(f"environment.enter_include({self.name!r}, {node.lineno})", node)
        super().visit_Include(node, frame)
        self.writeline("environment.leave_include()")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        """Write code that concatenates with ``~``, keeping blocks apart and the paths of values."""
        self.write("environment.concatenate((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


@cache
def compiler_version() -> bytes:
    """Return what compiled templates depend on besides their source."""
    return f"{jinja2.__version__} {sys.version}".encode() + Path(__file__).read_bytes()

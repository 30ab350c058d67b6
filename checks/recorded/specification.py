"""The fields of each object in the newest API version, read from the types of the official Python SDK."""

import ast
import functools
import importlib.util
import pathlib


class Shape:
    """The fields of an object or of a nested one."""

    def __init__(self, node, outer):
        self.outer = outer
        self.inner = {part.name: part for part in node.body if isinstance(part, ast.ClassDef)}
        self.fields = {
            part.target.id.rstrip("_"): part.annotation
            for part in node.body
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
        }

    def knows(self, name):
        return name in self.fields

    def field(self, name):
        """The shape of a nested object; None for strings, numbers and other API objects."""
        for word in _names(self.fields[name]) if name in self.fields else ():
            found = self._class(word)
            if found:
                return found
        return None

    def _class(self, name):
        if name in self.inner:
            return Shape(self.inner[name], self)
        return self.outer._class(name) if self.outer else None


def _names(annotation):
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.rsplit(".", 1)[-1]


@functools.cache
def objects():
    """The shape of each object by its name, such as `payment_intent`."""
    package = pathlib.Path(importlib.util.find_spec("stripe").origin).parent
    found = {}
    for file in sorted(package.rglob("_*.py")):
        text = file.read_text()
        if "OBJECT_NAME" not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef):
                name = _object_name(node)
                # If there are two, the newer interface's comes later and has a different name.
                if name and name not in found:
                    found[name] = Shape(node, None)
    return found


def _object_name(node):
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and getattr(part.target, "id", "") == "OBJECT_NAME" and part.value:
            return part.value.value
    return None

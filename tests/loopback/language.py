"""As much of the GraphQL language as the client writes: reading a document, and choosing what it asks for.

A node is a dict; a value that is a function is called with the arguments the document gives. Asking for
something a node does not have is an error, as it is on the real server.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(r'\s+|,|#[^\n]*|(\.\.\.|[A-Za-z_]\w*|\$\w+|"(?:\\.|[^"\\])*"|-?\d+(?:\.\d+)?|[{}()\[\]:!=])')
WORDS = {"true": True, "false": False, "null": None}


class GraphQLError(Exception):
    """An answer of the form {"errors": [...]}, with its HTTP status."""

    def __init__(self, text: str, status: int = 400):
        super().__init__(text)
        self.status = status


class UnknownQuery(GraphQLError):
    """The client asks for something that this server does not know."""


@dataclass
class Variable:
    name: str


@dataclass
class Field:
    name: str
    alias: str
    arguments: dict[str, Any] = field(default_factory=dict)
    selection: list["Field"] = field(default_factory=list)
    is_fragment: bool = False


@dataclass
class Document:
    kind: str = "query"
    name: str = ""
    defaults: dict[str, Any] = field(default_factory=dict)
    selection: list[Field] = field(default_factory=list)
    fragments: dict[str, list[Field]] = field(default_factory=dict)


class Reader:
    def __init__(self, text: str):
        self.tokens = self.split(text)
        self.at = 0

    @staticmethod
    def split(text: str) -> list[str]:
        tokens, at = [], 0
        while at < len(text):
            match = TOKEN.match(text, at)
            if not match:
                raise GraphQLError(f"Syntax error: unexpected {text[at]!r}")
            if match[1]:
                tokens.append(match[1])
            at = match.end()
        return tokens

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str | None = None) -> str:
        token = self.peek()
        if not token or (wanted is not None and token != wanted):
            raise GraphQLError(f"Syntax error: expected {wanted or 'more'}, found {token or 'the end'}")
        self.at += 1
        return token

    def skip(self, token: str) -> bool:
        if self.peek() == token:
            self.at += 1
            return True
        return False

    def document(self) -> Document:
        document = Document()
        while self.peek():
            if self.skip("fragment"):
                name = self.take()
                self.take("on")
                self.take()
                document.fragments[name] = self.selection()
                continue
            if self.peek() != "{":
                document.kind = self.take()
                if self.peek() not in ("(", "{"):
                    document.name = self.take()
                if self.skip("("):
                    self.declarations(document)
            document.selection = self.selection()
        return document

    def declarations(self, document: Document) -> None:
        while not self.skip(")"):
            name = self.take()[1:]
            self.take(":")
            while self.peek() not in ("=", ")", "") and not self.peek().startswith("$"):
                self.take()  # the type, which nobody checks here
            if self.skip("="):
                document.defaults[name] = self.value()

    def selection(self) -> list[Field]:
        fields = []
        self.take("{")
        while not self.skip("}"):
            if self.skip("..."):
                name = self.take()
                fields.append(Field(name, name, is_fragment=True))
                continue
            alias = name = self.take()
            if self.skip(":"):
                name = self.take()
            arguments = self.arguments(")") if self.skip("(") else {}
            fields.append(Field(name, alias, arguments, self.selection() if self.peek() == "{" else []))
        return fields

    def arguments(self, end: str) -> dict[str, Any]:
        arguments = {}
        while not self.skip(end):
            name = self.take()
            self.take(":")
            arguments[name] = self.value()
        return arguments

    def value(self) -> Any:
        token = self.take()
        if token.startswith("$"):
            return Variable(token[1:])
        if token == "{":
            return self.arguments("}")
        if token == "[":
            values = []
            while not self.skip("]"):
                values.append(self.value())
            return values
        if token.startswith('"'):
            return token[1:-1]
        if token in WORDS:
            return WORDS[token]
        if token[0].isdigit() or token[0] == "-":
            return float(token) if "." in token else int(token)
        return token  # one of an enumeration


def read(text: str) -> Document:
    return Reader(text).document()


def fill(value: Any, variables: Mapping[str, Any]) -> Any:
    """A value with its variables replaced; what was not given is left out, as if it had not been written."""
    if isinstance(value, Variable):
        return variables.get(value.name)
    if isinstance(value, dict):
        given = {key: part for key, part in value.items() if not isinstance(part, Variable) or part.name in variables}
        return {key: fill(part, variables) for key, part in given.items()}
    if isinstance(value, list):
        return [fill(part, variables) for part in value]
    return value


def choose(node: Any, selection: list[Field], fragments: Mapping[str, list[Field]], variables: Mapping) -> Any:
    """What a document asks for of a node."""
    if node is None or not selection:
        return node
    if isinstance(node, list):
        return [choose(part, selection, fragments, variables) for part in node]
    chosen: dict[str, Any] = {}
    for asked in selection:
        if asked.is_fragment:
            chosen.update(choose(node, fragments[asked.name], fragments, variables))
            continue
        if asked.name not in node:
            raise UnknownQuery(f'Cannot query field "{asked.name}" on type "{node.get("__typename", "?")}".')
        value = node[asked.name]
        if callable(value):
            value = value(**fill(asked.arguments, variables))
        chosen[asked.alias] = choose(value, asked.selection, fragments, variables)
    return chosen

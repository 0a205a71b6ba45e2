# SPDX-License-Identifier: Apache-2.0
"""Finds the functions of a C++ file without a compiler: good enough for code
that clang-format has laid out. Lambdas count as lines of what they stand in.
"""

import re

# Comments, strings and character literals, which may hold braces.
OPAQUE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'", re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
NOT_A_FUNCTION = re.compile(
    r"^\s*(template\s*<.*>\s*)?(inline\s+)?"
    r"(namespace|struct|class|union|enum|extern\s*$)\b")
NAME = re.compile(r"([\w:~]+|operator\s*\S+)\s*\($")


def blank(match):
    """Keeps the lines, so that numbers stay right."""
    return re.sub(r"[^\n]", " ", match.group(0))


def functions(text):
    """Yields (name, first line, last line) of each outermost function."""
    code = DIRECTIVE.sub(blank, OPAQUE.sub(blank, text))
    depth_inside = 0  # braces open inside the present function
    start = 0         # of the text since the last ; { or } outside functions
    name = first = None
    for match in re.finditer(r"[;{}]", code):
        token, at = match.group(0), match.start()
        if depth_inside:
            depth_inside += {"{": 1, "}": -1, ";": 0}[token]
            if depth_inside == 0:
                yield name, first, line_of(code, at)
                start = at + 1
            continue
        if token == "{":
            name = function_name(code[start:at])
            if name:
                lead = len(code[start:at]) - len(code[start:at].lstrip())
                first, depth_inside = line_of(code, start + lead), 1
        start = at + 1


def line_of(code, at):
    return code.count("\n", 0, at) + 1


def function_name(head):
    """The name, when `head {` opens a function's body; else None."""
    head = re.sub(r"^\s*(public|private|protected)\s*:", "", head)
    if NOT_A_FUNCTION.match(head) or "(" not in head:
        return None
    before = head[:head.index("(") + 1]
    if re.search(r"[^=!<>]=[^=]", before) and "operator" not in before:
        return None  # an initializer
    match = NAME.search(before)
    return match.group(1).strip() if match else None

# SPDX-License-Identifier: Apache-2.0
"""Goal: what the project's style asks of every file holds for every file.
Method: read the text; functions are found by cpp_functions.py.
"""

import os
import re

import cpp_functions
import tree

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 70

# The classes keep this file from finding itself.
STRAY = re.compile(r"\b(FIXM[E]|TOD[O]|XX[X]|HAC[K])\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(wor[k]|roo[t]|hom[e]/\w+)/")
SKIPPED = re.compile(r"\b(GTEST_SKI[P]|DISABLE[D]_\w)")
SPDX = "SPDX-License-Identifier: Apache-2.0"


def lengths(files):
    for path in files.sources() + files.scripts():
        count = files.text(path).count("\n")
        if count > MAX_FILE_LINES:
            yield f"{path}:1: {count} lines, {MAX_FILE_LINES} at most"


def function_lengths(files):
    for path in files.sources():
        for name, first, last in cpp_functions.functions(files.text(path)):
            if last - first + 1 > MAX_FUNCTION_LINES:
                yield (f"{path}:{first}: {name} has {last - first + 1} lines, "
                       f"{MAX_FUNCTION_LINES} at most")


def licence_line(files):
    for path in files.sources() + files.scripts():
        head = files.text(path).split("\n")[:3]
        if not any(SPDX in line for line in head):
            yield f"{path}:1: no line '{SPDX}' at the top"


def pragma_once(files):
    for path in files.sources():
        has = "\n#pragma once\n" in files.text(path)
        if path.endswith(".h") and not has:
            yield f"{path}:1: no #pragma once"


def forbidden_words(files):
    for path in files.paths:
        if path == "LICENSE":
            continue
        for number, line in files.lines(path):
            for pattern, what in ((STRAY, "a stray note"),
                                  (MACHINE_PATH, "a path of one machine"),
                                  (SKIPPED, "a test that skips")):
                match = pattern.search(line)
                if match:
                    yield f"{path}:{number}: {what}: {match.group(0)}"


def tests_say_why(files):
    """A test opens with its goal and method, right below the licence."""
    for path in files.sources("tests/"):
        lines = files.text(path).split("\n")
        has_tests = re.search(r"^TEST(_F|_P)?\(", files.text(path), re.MULTILINE)
        if has_tests and not lines[1].startswith("// "):
            yield f"{path}:2: a test opens with a comment: goal and method"


def registered(files):
    """Each source, script test and page is named by a CMakeLists.txt."""
    for path in files.paths:
        is_page = path.startswith("man/") and path[-2:] in (".5", ".7", ".8")
        is_test = path.startswith("tests/") and path.endswith(
            ("_check.py", "_test.py", "_test.sh"))
        if (path.endswith(".cc") or is_page or is_test) and not named(files,
                                                                      path):
            yield f"{path}:1: no CMakeLists.txt names it"


def named(files, path):
    folder = os.path.dirname(path)
    while True:
        cmake = os.path.join(folder, "CMakeLists.txt")
        if cmake in files.paths:
            name = re.escape(os.path.relpath(path, folder or "."))
            if re.search(rf"(?<![\w./-]){name}(?![\w./-])|/{name}\b",
                         files.text(cmake)):
                return True
        if not folder:
            return False
        folder = os.path.dirname(folder)


CHECKS = [lengths, function_lengths, licence_line, pragma_once,
          forbidden_words, tests_say_why, registered]

if __name__ == "__main__":
    tree.run(CHECKS)

# SPDX-License-Identifier: Apache-2.0
"""Goal: the pages are well formed, and say the same as --help.
Method: mandoc's linter; sentences one per line; every command and long option
that the program names is in its page, and every one in the page is the
program's.
usage: manpages_check.py ROOT TREFOIL
"""

import re
import subprocess
import sys

import tree

# In every --help, and told once in trefoil.8.
EVERYWHERE = {"help", "version"}
# Pages of the program under its other names.
HELPERS = {"mount.trefoil", "fsck.trefoil"}


def pages(files):
    return [path for path in files.paths
            if re.fullmatch(r"man/[\w.-]+\.[1578]", path)]


def lint(files):
    for path in pages(files):
        result = subprocess.run(
            ["mandoc", "-T", "lint", "-W", "warning", path], cwd=files.root,
            capture_output=True, text=True, check=False)
        for line in result.stdout.splitlines():
            yield line.removeprefix("mandoc: ")


def one_sentence_a_line(files):
    for path in pages(files):
        for number, line in files.lines(path):
            if line.startswith((".", "\t", " ")):
                continue
            # A full stop followed by a capital; e.g. "O1. The".
            if re.search(r"[a-z)]\. +[A-Z]", line):
                yield f"{path}:{number}: two sentences in one line"


def help_of(command):
    """The --help of `trefoil COMMAND...`."""
    result = subprocess.run([sys.argv[2], *command, "--help"], check=True,
                            capture_output=True, text=True)
    return result.stdout


def commands_in(text):
    """The subcommands that a --help lists."""
    match = re.search(r"^Subcommands:\n((?:[ \t].*\n?|\n)*)", text,
                      re.MULTILINE)
    listed = match.group(1) if match else ""
    return re.findall(r"^  ([a-z][a-z0-9-]*)\b", listed, re.MULTILINE)


def options_in(text):
    return set(re.findall(r"(?<![\w-])--([a-z][a-z0-9-]*)", text))


def options_of_page(text):
    words = re.findall(r"\bFl (?:\\&)?\\?-([a-z][a-z0-9\\-]*)", text)
    return {word.replace("\\", "") for word in words}


def all_help(command):
    """The long options of a command and of the commands below it."""
    text = help_of(command)
    options = options_in(text)
    for name in commands_in(text):
        options |= all_help([*command, name])
    return options


def compared(files):
    top = help_of([])
    for name in commands_in(top):
        path = f"man/trefoil-{name}.8"
        if f"trefoil-{name} 8" not in files.text("man/trefoil.8"):
            yield f"man/trefoil.8:1: does not refer to trefoil-{name}(8)"
        if path not in files.paths:
            yield f"{path}:1: no page for 'trefoil {name}'"
            continue
        yield from differences(path, all_help([name]),
                               options_of_page(files.text(path)))
    documented = {re.fullmatch(r"man/trefoil-(.*)\.8", path).group(1)
                  for path in pages(files)
                  if re.fullmatch(r"man/trefoil-(.*)\.8", path)}
    for name in documented - set(commands_in(top)):
        yield f"man/trefoil-{name}.8:1: the program has no such command"
    yield from differences("man/trefoil.8", options_in(top) | EVERYWHERE,
                           options_of_page(files.text("man/trefoil.8"))
                           | EVERYWHERE)


def differences(path, in_help, in_page):
    for option in sorted(in_help - in_page - EVERYWHERE):
        yield f"{path}:1: --{option} is in --help and not here"
    for option in sorted(in_page - in_help - EVERYWHERE):
        yield f"{path}:1: --{option} is here and not in --help"


def subcommands_named(files):
    """Commands below a command, such as `snapshot create`, are in its page."""
    for name in commands_in(help_of([])):
        for below in commands_in(help_of([name])):
            path = f"man/trefoil-{name}.8"
            if path in files.paths and f"Cm {below}" not in files.text(path):
                yield f"{path}:1: says nothing of '{name} {below}'"


CHECKS = [lint, one_sentence_a_line, compared, subcommands_named]

if __name__ == "__main__":
    tree.run(CHECKS)

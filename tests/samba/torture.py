# SPDX-License-Identifier: Apache-2.0
"""Samba's test suite of SMB2, run against a share; what each test gave."""

import re
import subprocess

from samba_share import PASSWORD, USER

# What issues and reports call success is "pass" here, as in the list.
OUTCOMES = {"success": "pass", "failure": "fail", "error": "fail",
            "skip": "skip"}
SECONDS_MAX = 900


class Outcome:
    """pass, fail or skip, and smbtorture's word on it."""

    def __init__(self, kind):
        self.kind = kind
        self.why = ""


def run_suite(smbd, share, suite, tests=()):
    """{test: Outcome} of `suite`, or of some of its tests."""
    names = [f"{suite}.{test}" for test in tests] or [suite]
    result = subprocess.run(
        ["smbtorture", f"//127.0.0.1/{share}", "-p", str(smbd.port), "-s",
         smbd.config, "-U", f"{USER}%{PASSWORD}", "--format=subunit", *names],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", timeout=SECONDS_MAX, check=False)
    return parse(result.stdout)


def parse(text):
    outcomes = {}
    current = None
    for line in text.splitlines():
        match = re.fullmatch(r"(success|failure|error|skip): (.*?)( \[)?", line)
        if match:
            current = Outcome(OUTCOMES[match[1]])
            outcomes[match[2]] = current
            if not match[3]:
                current = None
        elif line == "]":
            current = None
        elif current and not current.why:
            # "../../source4/torture/smb2/x.c:1: why", the place in brackets
            # or not.
            current.why = re.sub(r"^\(?\S+\.c:\d+\)?:?\s*", "", line).strip()
    return outcomes


def read_list(path):
    """[(kind, suite, test)] of lines `KIND SUITE TEST[ # WHY]`."""
    entries = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split("#")[0].strip().split(" ", 2)
            if len(words) == 3:
                entries.append(tuple(words))
    return entries

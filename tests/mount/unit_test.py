#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: the unit's service is shut in as far as a mount for everybody allows,
and works like that; its mount is seen by services that have mount namespaces
of their own, as a file server's may be.
Method: `systemd-analyze security` with a threshold; then the unit's command
under what the unit says (capabilities, system calls, address families, limits,
umask), applied by hand since no systemd runs here, with an observer in a
namespace that gets the mounts made outside. A daemon in a namespace of its own
is what the observer must not see: the reason for what the unit lacks.
usage: unit_test.py PROGRAM UNIT"""
import ctypes
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

import seccomp

program, unit = (os.path.abspath(path) for path in sys.argv[1:3])
# What is left is there by need: root, its two rights, the network, and the
# places that only a private mount namespace would hide (trefoil-mount(8)).
EXPOSURE_MAX = 41  # tenths; without any of it the unit would have 96
# Each would give the service a mount namespace (systemd.exec(5)).
NAMESPACES = re.compile(
    r"^(Private(Tmp|Devices|Mounts|Users|IPC)|Protect(System|Home|Proc|Kernel\w+"
    r"|ControlGroups)|ProcSubset|Root\w+|ReadWritePaths|ReadOnlyPaths|"
    r"InaccessiblePaths|ExecPaths|NoExecPaths|Bind(ReadOnly)?Paths|MountFlags|"
    r"TemporaryFileSystem|MountImages|ExtensionImages|LoadCredential\w*|"
    r"SetCredential\w*|LogNamespace|DynamicUser)=")
CAPABILITIES = {"CAP_DAC_OVERRIDE": 1, "CAP_SYS_ADMIN": 21}
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
CLONE_NEWNS, CLONE_NAMESPACES = 0x20000, 0x7e020080
MS_REC, MS_PRIVATE, MS_SHARED = 1 << 14, 1 << 18, 1 << 20
libc = ctypes.CDLL(None, use_errno=True)


def settings(text):
    """Values by name, in the order of the file."""
    found = {}
    section = text.split("[Service]")[1].split("\n[")[0]
    for line in section.splitlines():
        assert not NAMESPACES.match(line), line
        if re.match(r"\w+=", line):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def check_exposure(work, text):
    path = os.path.join(work, "trefoil-office.service")
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    complaints = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager",
         f"--threshold={EXPOSURE_MAX}", path],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert complaints.returncode == 0, complaints.stdout.decode()


def calls_of(word):
    """The system calls that a word of SystemCallFilter= stands for."""
    if not word.startswith("@"):
        return {word}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", word],
                            stdout=subprocess.PIPE, check=True).stdout.decode()
    words = [w.strip() for w in listed.splitlines()[1:]]
    return set().union(*(calls_of(w) for w in words if w and w[0] != "#"))


def allowed_calls(filters):
    allowed = calls_of("@default")
    for words in filters:
        calls = set().union(*(calls_of(w) for w in words.lstrip("~").split()))
        allowed = allowed - calls if words.startswith("~") else allowed | calls
    return allowed


def system_call_filter(service):
    rules = seccomp.SyscallFilter(seccomp.ERRNO(1))
    special = {"socket", "clone", "clone3", "unshare", "setns"}
    for call in allowed_calls(service["SystemCallFilter"]) - special:
        try:
            rules.add_rule(seccomp.ALLOW, call)
        except RuntimeError:
            pass  # of another architecture
    for family in service["RestrictAddressFamilies"][0].split():
        rules.add_rule(seccomp.ALLOW, "socket",
                       seccomp.Arg(0, seccomp.EQ, FAMILIES[family]))
    # RestrictNamespaces=
    rules.add_rule(seccomp.ALLOW, "clone",
                   seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_NAMESPACES, 0))
    rules.add_rule(seccomp.ERRNO(38), "clone3")
    return rules


def prctl(*arguments):
    arguments = [ctypes.c_ulong(a) for a in arguments + (0,) * 4]
    assert libc.prctl(*arguments[:5]) == 0, ctypes.get_errno()


def confine(service, rules):
    """What systemd does before it starts the command."""
    os.umask(int(service["UMask"][0], 8))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    assert service["LimitCORE"] == ["0"]
    kept = {CAPABILITIES[c] for c in service["CapabilityBoundingSet"][0].split()}
    with open("/proc/sys/kernel/cap_last_cap", encoding="utf-8") as last:
        for capability in set(range(int(last.read()) + 1)) - kept:
            prctl(PR_CAPBSET_DROP, capability)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    rules.load()


def check_confinement(pid):
    """That the rules above were applied."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        facts = dict(line.rstrip("\n").split(":\t", 1) for line in status)
    assert facts["Seccomp"] == "2" and facts["NoNewPrivs"] == "1", facts
    assert int(facts["CapEff"], 16) == 1 << 1 | 1 << 21, facts


class Observer:
    """A process in a mount namespace of its own, started before the mount."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["unshare", "-m", "--propagation", "slave", "sh", "-c",
             "echo; exec sleep 600"], stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def sees(self, share):
        table = f"/proc/{self.process.pid}/mountinfo"
        with open(table, encoding="utf-8") as mounts:
            return any(line.split()[4] == share for line in mounts)

    def read(self, path):
        inside = ["nsenter", "-m", "-t", str(self.process.pid), "cat", path]
        return subprocess.run(inside, stdout=subprocess.PIPE,
                              check=True).stdout

    def end(self):
        self.process.kill()
        self.process.wait()


def wait_for(what):
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.02)


def answers(volume):
    return subprocess.run([program, "status", volume], check=False,
                          stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode != 3


def stop(daemon, share):
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0
    assert not os.path.ismount(share)


def check_confined(work, service, volume, share):
    rules = system_call_filter(service)
    observer = Observer()
    daemon = subprocess.Popen(
        [program, "mount", "-f", volume, share], cwd="/",
        preexec_fn=lambda: confine(service, rules))
    try:
        wait_for(lambda: os.path.ismount(share))
        check_confinement(daemon.pid)
        with open(f"{share}/file", "w", encoding="utf-8") as out:
            out.write("seen")
        assert observer.sees(share)
        assert observer.read(f"{share}/file") == b"seen"
        subprocess.run([program, "sync", share], check=True)
        subprocess.run([program, "snapshot", "create", share], check=True,
                       stdout=subprocess.DEVNULL)
        stop(daemon, share)
        subprocess.run([program, "fsck", volume, "--read-data"], check=True)
        subprocess.run([program, "fsck", f"dir:{work}/second"], check=True)
    finally:
        end(daemon, share)
        observer.end()


def check_hidden(volume, share):
    """A daemon in a namespace serves nobody outside."""
    observer = Observer()
    daemon = subprocess.Popen(["unshare", "-m", "--propagation", "slave",
                               program, "mount", "-f", volume, share])
    try:
        wait_for(lambda: answers(volume))
        assert not os.path.ismount(share)
        assert not observer.sees(share)
    finally:
        end(daemon, share)
        observer.end()


def end(daemon, share):
    if daemon.poll() is None:
        daemon.kill()
        daemon.wait()
    subprocess.run(["umount", "-l", share], check=False,
                   stderr=subprocess.DEVNULL)


def main(work):
    with open(unit, encoding="utf-8") as file:
        text = file.read()
    check_exposure(work, text)
    service = settings(text)
    volume, share = work + "/volume", work + "/share"
    os.mkdir(share)
    subprocess.run([program, "init", volume, "--second", f"dir:{work}/second"],
                   check=True, stdout=subprocess.DEVNULL)
    # Made by an ordinary user, served by root.
    subprocess.run(["chown", "-R", "65534:65534", volume, work + "/second"],
                   check=True)
    check_confined(work, service, volume, share)
    check_hidden(volume, share)


def begin_as_systemd():
    """Mounts are shared, as systemd makes them, but not with this machine."""
    assert libc.unshare(CLONE_NEWNS) == 0, ctypes.get_errno()
    for propagation in (MS_PRIVATE, MS_SHARED):
        assert libc.mount(None, b"/", None, propagation | MS_REC, None) == 0


begin_as_systemd()
with tempfile.TemporaryDirectory(prefix="trefoil-unit-") as directory:
    main(directory)
print("ok")

# SPDX-License-Identifier: Apache-2.0
"""A mounted volume and a Samba server of our own in front of it.

The server listens on a free port of loopback and keeps everything, its users
too, in the directory of the test. The users are system accounts that every
Debian has.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                             "..", "support"))
from free_ports import free_ports

USER = "daemon"
OTHER_USER = "games"
PASSWORD = "a Password 1"

SAMBA_DIRECTORIES = ("private", "lock", "state", "cache", "pid", "ncalrpc",
                     "binddns", "log")


def run(*command, check=True, timeout=120, **options):
    """A command's standard output."""
    result = subprocess.run([str(word) for word in command], timeout=timeout,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, check=False, **options)
    if check and result.returncode != 0:
        raise AssertionError(f"{command} ended with {result.returncode}:\n"
                             f"{result.stdout}{result.stderr}")
    return result.stdout if check else result


def wait_until(true, what, seconds=120):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Volume:
    """A mounted volume with a second copy beside it."""

    def __init__(self, program, path, mountpoint):
        self.program = program
        self.path = path
        self.mountpoint = mountpoint
        os.mkdir(mountpoint)

    @classmethod
    def make(cls, program, root):
        volume = cls(program, os.path.join(root, "volume"),
                     os.path.join(root, "share"))
        volume.trefoil("init", volume.path, "--second",
                       "dir:" + os.path.join(root, "second"),
                       "--recovery-kit", os.path.join(root, "kit"))
        volume.mount()
        os.chmod(volume.mountpoint, 0o777)
        return volume

    def recover(self, path):
        """Another volume, mounted, from the second copy alone."""
        root = os.path.dirname(self.path)
        recovered = Volume(self.program, path, path + "-share")
        self.trefoil("recover", "--from", "dir:" + os.path.join(root, "second"),
                     "--recovery-key-file", os.path.join(root, "kit"), path)
        recovered.mount()
        return recovered

    def trefoil(self, *arguments, **options):
        return run(self.program, *arguments, **options)

    def mount(self):
        self.trefoil("mount", self.path, self.mountpoint, "--log-file",
                     self.path + ".log")

    def unmount(self):
        self.trefoil("umount", self.mountpoint)

    def snapshot(self):
        """Takes one; its name."""
        return self.call("snapshot-create", label="")["name"]

    def status(self):
        return self.call("status")

    def call(self, method, **params):
        """What the daemon answers through its socket."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(60)
            control.connect(os.path.join(self.path, "control.sock"))
            with control.makefile("rw") as lines:
                lines.write(json.dumps({"method": method, "params": params}) +
                            "\n")
                lines.flush()
                answer = json.loads(lines.readline())
        if "result" not in answer:
            raise AssertionError(f"{method}: {answer}")
        return answer["result"]

    def past(self, snapshot, name=""):
        return os.path.join(self.mountpoint, ".snapshots", snapshot, name)

    def samba_conf(self, *arguments, directory=""):
        return self.trefoil("samba-conf",
                            os.path.join(self.mountpoint, directory),
                            *arguments)


class Smbd:
    """A Samba server; `sections` are what follows [global] in smb.conf."""

    def __init__(self, root, sections, settings=""):
        self.root = os.path.join(root, "samba")
        self.config = os.path.join(self.root, "smb.conf")
        for name in SAMBA_DIRECTORIES:
            os.makedirs(os.path.join(self.root, name), exist_ok=True)
        self.port = free_ports(1)[0]
        self.configure(sections, settings)
        for user in (USER, OTHER_USER):
            run("smbpasswd", "-c", self.config, "-L", "-a", "-s", user,
                input=f"{PASSWORD}\n{PASSWORD}\n")
        self.process = None
        self.start()

    def configure(self, sections, settings=""):
        own = {"private dir": "private", "lock directory": "lock",
               "state directory": "state", "cache directory": "cache",
               "pid directory": "pid", "ncalrpc dir": "ncalrpc",
               "binddns dir": "binddns"}
        with open(self.config, "w", encoding="utf-8") as out:
            out.write("[global]\n")
            for key, name in own.items():
                out.write(f"    {key} = {os.path.join(self.root, name)}\n")
            out.write(f"""    smb ports = {self.port}
    interfaces = lo
    bind interfaces only = yes
    server role = standalone server
    workgroup = TREFOIL
    netbios name = TREFOIL
    disable netbios = yes
    map to guest = never
    load printers = no
    disable spoolss = yes
    log file = {os.path.join(self.root, "log", "smbd")}
    log level = 1
{settings}
""")
            out.write(sections)

    def start(self):
        self.process = subprocess.Popen(
            ["smbd", "-F", "--no-process-group", "-s", self.config],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        wait_until(self.answers, "smbd")

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("smbd ended:\n" + self.logs())
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        """Ends it and its children, which it began in a session of its own."""
        if self.process is None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def processes(self):
        """Its own and those of its clients."""
        return [int(pid) for pid in
                run("pgrep", "-s", self.process.pid).split()]

    def logs(self):
        text = ""
        directory = os.path.join(self.root, "log")
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if os.path.isfile(path):
                with open(path, encoding="utf-8", errors="replace") as log:
                    text += f"--- {name}\n{log.read()[-8000:]}"
        return text

    def client(self, share, *commands, user=USER, check=True, timeout=120):
        """smbclient's output."""
        return run("smbclient", "-s", self.config, "-p", self.port,
                   f"//127.0.0.1/{share}", PASSWORD, "-U", user, "-c",
                   "; ".join(commands), check=check, timeout=timeout)


def make_volume():
    """A directory of the test's own, and a mounted volume in it."""
    root = tempfile.mkdtemp(prefix="trefoil-samba-", dir="/tmp")
    os.chmod(root, 0o755)
    return root, Volume.make(PROGRAM, root)


def take_down(root, volume):
    """Unmounts; the volume must be clean."""
    volume.unmount()
    volume.trefoil("fsck", volume.path, "--read-data", timeout=300)
    shutil.rmtree(root)


class TimedResult(unittest.TextTestResult):
    """Says how long each test took."""

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        self.stream.write(f"{time.monotonic() - self.began:.1f} s ")
        super().addSuccess(test)


def main():
    # impacket leaves sockets to the garbage collector.
    runner = unittest.TextTestRunner(verbosity=2, resultclass=TimedResult,
                                     warnings="ignore")
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], testRunner=runner)


PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""

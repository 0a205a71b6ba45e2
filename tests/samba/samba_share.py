# SPDX-License-Identifier: Apache-2.0
"""A mounted volume and a Samba server of our own in front of it.

The server listens on a free port of loopback and keeps everything, its users
too, in the directory of the test. The users are system accounts that every
Debian has.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

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


def wait_until(true, what, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Volume:
    """A volume and its mount."""

    def __init__(self, program, root):
        self.program = program
        self.path = os.path.join(root, "volume")
        self.mountpoint = os.path.join(root, "share")
        self.log = os.path.join(root, "trefoil.log")
        os.mkdir(self.mountpoint)
        self.trefoil("init", self.path)
        self.mount()
        os.chmod(self.mountpoint, 0o777)

    def trefoil(self, *arguments, **options):
        return run(self.program, *arguments, **options)

    def mount(self):
        self.trefoil("mount", self.path, self.mountpoint, "--log-file",
                     self.log)

    def unmount(self):
        self.trefoil("umount", self.mountpoint)

    def snapshot(self):
        """Takes one; its name."""
        return self.trefoil("snapshot", "create", self.mountpoint).strip()

    def past(self, snapshot, name=""):
        return os.path.join(self.mountpoint, ".snapshots", snapshot, name)

    def samba_conf(self, *arguments, directory=""):
        return self.trefoil("samba-conf",
                            os.path.join(self.mountpoint, directory),
                            *arguments)

    def destroy(self):
        """Unmounts; what is left is checked."""
        self.unmount()
        self.trefoil("fsck", self.path, "--read-data", timeout=300)

    def abandon(self):
        run("umount", "-l", self.mountpoint, check=False)


class Smbd:
    """A Samba server; `sections` are what follows [global] in smb.conf."""

    def __init__(self, root, sections, settings=""):
        self.root = os.path.join(root, "samba")
        self.config = os.path.join(self.root, "smb.conf")
        for name in SAMBA_DIRECTORIES:
            os.makedirs(os.path.join(self.root, name), exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
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

    def logs(self):
        text = ""
        directory = os.path.join(self.root, "log")
        for name in os.listdir(directory):
            with open(os.path.join(directory, name), encoding="utf-8",
                      errors="replace") as log:
                text += f"--- {name}\n{log.read()[-8000:]}"
        return text

    def client(self, share, *commands, user=USER, check=True, timeout=120):
        """smbclient's output."""
        return run("smbclient", "-s", self.config, "-p", self.port,
                   f"//127.0.0.1/{share}", PASSWORD, "-U", user, "-c",
                   "; ".join(commands), check=check, timeout=timeout)


def make_root():
    root = tempfile.mkdtemp(prefix="trefoil-samba-", dir="/tmp")
    os.chmod(root, 0o755)
    return root


def remove_root(root):
    shutil.rmtree(root)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: systemd brings a share back after its daemon was killed, without a
hand: the unit is one that systemd accepts, and its command replaces the dead
mount of the one before.
Method: `systemd-analyze verify`; then a loop that does what the unit says
(ExecStart with the variables of its EnvironmentFile, READY=1, Restart=,
RestartSec=), since no systemd runs here. kill -9 again and again; what was
written before is there each time. At last SIGTERM ends it for good.
usage: supervisor_test.py PROGRAM UNIT"""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

program, unit = (os.path.abspath(path) for path in sys.argv[1:3])
ROUNDS = 5


def settings(text):
    section = text.split("[Service]")[1].split("\n[")[0]
    lines = [l for l in section.splitlines() if re.match(r"\w+=", l)]
    return dict(line.split("=", 1) for line in lines)


def command(line, variables):
    """As systemd.service(5): $NAME is split into words, ${NAME} is not."""
    words = []
    for word in line.split():
        if re.fullmatch(r"\$\w+", word):
            words += variables.get(word[1:], "").split()
        else:
            words.append(re.sub(r"\$\{(\w+)\}",
                                lambda m: variables.get(m[1], ""), word))
    return words


def verify(work, text):
    path = os.path.join(work, "trefoil@.service")
    with open(path, "w", encoding="utf-8") as out:
        out.write(text.replace("ExecStart=trefoil ", f"ExecStart={program} "))
    os.symlink("trefoil@.service", os.path.join(work, "trefoil@test.service"))
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", work + "/trefoil@test.service"],
        stderr=subprocess.STDOUT, stdout=subprocess.PIPE, check=False)
    assert result.returncode == 0 and not result.stdout, result.stdout.decode()


class Supervisor:
    """Starts the service, and again as the unit says."""

    def __init__(self, service, variables, work):
        self.service = service
        words = command(service["ExecStart"], variables)
        assert words[0] == "trefoil", words
        self.words = [program] + words[1:]
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(work + "/notify")
        self.notify.settimeout(60)
        self.environment = {"NOTIFY_SOCKET": work + "/notify", **variables}
        self.log = open(work + "/log", "ab")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            self.words, env=self.environment, stdin=subprocess.DEVNULL,
            stderr=self.log, cwd="/")
        while self.notify.recv(4096) != b"READY=1":
            pass

    def restart(self):
        """Waits for the end; True when it was one to start again after."""
        code = self.process.wait(60)
        if code == 0:
            return False
        assert self.service["Restart"] == "on-failure"
        time.sleep(float(self.service["RestartSec"].removesuffix("s")))
        self.start()
        return True


def main(work):
    with open(unit, encoding="utf-8") as file:
        text = file.read()
    verify(work, text)
    # A blank in a path must not split it.
    volume, share = work + "/the volume", work + "/the share"
    os.mkdir(share)
    subprocess.run([program, "init", volume], check=True)
    service = settings(text)
    assert service["Type"] == "notify"
    variables = {"VOLUME": volume, "MOUNTPOINT": share,
                 "OPTIONS": "-o commit_interval=1s,noexec"}
    supervisor = Supervisor(service, variables, work)
    try:
        supervisor.start()
        # Somebody who stays in the share, as a file server's process does.
        stays = os.open(share, os.O_RDONLY)
        for i in range(ROUNDS):
            with open(f"{share}/file {i}", "w", encoding="utf-8") as out:
                out.write(f"round {i}")
            supervisor.process.kill()
            assert supervisor.restart()
            for k in range(i + 1):
                with open(f"{share}/file {k}", encoding="utf-8") as found:
                    assert found.read() == f"round {k}"
        os.close(stays)
        supervisor.process.send_signal(signal.SIGTERM)
        assert not supervisor.restart()
        assert not os.path.ismount(share)
        subprocess.run([program, "fsck", volume], check=True)
    except BaseException:
        with open(work + "/log", encoding="utf-8") as log:
            sys.stderr.write(log.read())
        raise
    finally:
        if supervisor.process and supervisor.process.poll() is None:
            supervisor.process.kill()
            supervisor.process.wait()
        subprocess.run(["umount", "-l", share], check=False,
                       stderr=subprocess.DEVNULL)


with tempfile.TemporaryDirectory(prefix="trefoil-supervisor-") as directory:
    main(directory)
print("ok")

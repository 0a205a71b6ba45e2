#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints ports of 127.0.0.1 that nobody listens on.

usage: free_ports.py [COUNT]

They are drawn from below the range that the kernel takes the near ends of
connections from: between here and the server's bind(2) no connection of
somebody else, and no other server that asks here, is likely to take them.
"""
import random
import socket
import sys

FIRST = 10000
END = 32768  # net.ipv4.ip_local_port_range begins here


def free_ports(count):
    """COUNT different ports."""
    ports = []
    while len(ports) < count:
        port = random.randrange(FIRST, END)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


if __name__ == "__main__":
    print(*free_ports(int(sys.argv[1]) if len(sys.argv) > 1 else 1))

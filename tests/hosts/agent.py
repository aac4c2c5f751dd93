#!/usr/bin/env python3
"""agent.py FOLDER HOST WORD...: runs the words, joined by blanks, in a shell on a test's host, as ssh would do it over
the same network; leaves with the command's code, or with 255 when the host cannot be reached."""

import os
import socket
import sys
from pathlib import Path

PORT = 2222
CONNECT_SECONDS = 2


def main():
    folder, host, words = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    try:
        connection = socket.create_connection(((folder / f"{host}.address").read_text(), PORT), CONNECT_SECONDS)
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ((socket.TCP_KEEPIDLE, 2), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2)):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        connection.sendall(" ".join(words).encode() + b"\0")
        heard = b""
        while piece := connection.recv(65536):
            heard += piece
            if b"\0" not in heard:
                os.write(1, heard)
                heard = b""
        output, end, code = heard.partition(b"\0")
        os.write(1, output)
        sys.exit(int(code) if end else 255)
    except OSError as error:
        print(f"agent: {host}: {error}", file=sys.stderr)
        sys.exit(255)


if __name__ == "__main__":
    main()

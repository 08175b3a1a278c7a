"""A real OpenSSH server on loopback, with throw-away keys, and a way in."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

import psutil
import pytest

#: sshd refuses to start without its full path.
SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/guest.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AcceptEnv LANG LC_* NO_COLOR COLORTERM
PrintMotd no
PrintLastLog no
"""
#: What sshd wants to see before it starts as root.
_PRIVILEGE_SEPARATION = Path("/run/sshd")


class Server:
    """An sshd of whoever runs the tests, on a free port, gone when the block is left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def __enter__(self) -> Server:
        if SSHD is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
            pytest.skip("no OpenSSH here (Debian, Ubuntu: the package openssh-server)")
        if os.getuid() == 0:
            _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        for name in ("host", "guest"):
            key = str(self._folder / name)
            keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]
            subprocess.run(keygen, check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        config = self._folder / "sshd_config"
        config.write_text(_CONFIG.format(port=self._port, folder=self._folder))
        log = self._folder / "log"
        self._process = subprocess.Popen(
            [SSHD, "-D", "-f", str(config), "-E", str(log)], stdin=subprocess.DEVNULL
        )
        end = time.monotonic() + 20.0
        while not self._listening():
            said = log.read_text() if log.exists() else ""
            assert self._process.poll() is None, f"sshd did not start: {said}"
            assert time.monotonic() < end, f"sshd does not answer: {said}"
            time.sleep(0.05)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        for process in self.guests():
            process.kill()
        self._process.terminate()
        self._process.wait(10)

    def _listening(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def guests(self) -> list[psutil.Process]:
        """Every process the server has let in."""
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)

    def command(self, line: str) -> list[str]:
        """What runs a shell's command line over there, at a terminal."""
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
            "SendEnv": "LANG LC_* NO_COLOR COLORTERM",
        }
        told = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        where = ["-p", str(self._port), f"{getpass.getuser()}@127.0.0.1"]
        return ["ssh", "-F", "none", "-tt", *told, "-i", str(self._folder / "guest"), *where, line]

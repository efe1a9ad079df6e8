"""On the path of a process and of those that it starts: small crops, and no network.

Crops are of 24 x 24 x 24 voxels. What would leave the machine is refused, and noted in the file
that ``CONNECTIONS`` names.
"""

import os
import socket
from pathlib import Path

from clinica_t1nce.files import nifti

nifti.CROP_SHAPE = (24, 24, 24)

_connect = socket.socket.connect


def _refuse(*where):
    if path := os.environ.get("CONNECTIONS"):
        with Path(path).open("a") as log:
            log.write(f"{where}\n")
    raise OSError("no network in this test")


def _local_only(self, address):
    return _connect(self, address) if self.family == socket.AF_UNIX else _refuse(address)


socket.socket.connect = socket.socket.connect_ex = _local_only
socket.getaddrinfo = socket.gethostbyname = _refuse

"""The clients of the server: a network and a name each, so that the server takes them for three machines."""

import contextlib
import subprocess

MOUNTS = "/mnt"
SERVERS = {"a": "10.0.1.1", "b": "10.0.2.1", "c": "10.0.3.1"}
# What EFS's mount helper and Lambda use; all else is the kernel's default.
OPTIONS = "vers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport"


@contextlib.contextmanager
def mounted(file_system):
    """Mounts what the server keeps on `file_system` for each client."""
    for client, server in SERVERS.items():
        mount = f"hostname {client} && mount -t nfs4 -o {OPTIONS} {server}:/{file_system} {MOUNTS}/{client}"
        subprocess.run(["nsenter", f"--net=/run/netns/{client}", "unshare", "--uts", "sh", "-c", mount], check=True)
    try:
        yield
    finally:
        for client in SERVERS:
            subprocess.run(["umount", f"{MOUNTS}/{client}"], check=True)

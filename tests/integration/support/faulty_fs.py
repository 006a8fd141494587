"""A file system that shows another directory and fails as it is told to.

    faulty_fs.py BEHIND MOUNT FAULTS

Shows BEHIND at MOUNT until the standard input ends, and says `mounted` when it does. FAULTS is a file that is read before each
operation; its lines are OPERATION PATH FAULT. OPERATION (`unlink`) and PATH (`/.cache/*`, from MOUNT on) are globs, FAULT is the
name of an error (`EIO`) or so many seconds of delay (`0.5`). The first line that fits an operation holds.

Ends with 3 where there is no libfuse, with 4 where there is no mfusepy, and with 5 where nothing can be mounted.
"""

import errno
import fnmatch
import os
import subprocess
import sys
import threading
import time

try:
    import mfusepy as fuse
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(4)
except OSError as error:
    print(f"no libfuse: {error}", file=sys.stderr)
    sys.exit(3)

STAT = ["st_atime_ns", "st_ctime_ns", "st_mtime_ns", "st_gid", "st_ino", "st_mode", "st_nlink", "st_size", "st_uid"]
STATVFS = ["f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_flag", "f_frsize", "f_namemax"]


OPERATIONS = {
    *("access", "chmod", "create", "fsync", "getattr", "link", "mkdir", "open", "read", "readdir", "readlink", "rename", "rmdir"),
    *("statfs", "symlink", "truncate", "unlink", "utimens", "write"),
}


def faulty(faults, name, operation):
    """The operation of this name, which first fails as `faults` says."""

    def run(path, *arguments):
        with open(faults, encoding="utf-8") as lines:
            rules = [line.split() for line in lines]
        for names, paths, fault in rules:
            if fnmatch.fnmatchcase(name, names) and fnmatch.fnmatchcase(path, paths):
                if fault.startswith("E"):
                    raise fuse.FuseOSError(getattr(errno, fault))
                time.sleep(float(fault))
                break
        return operation(path, *arguments)

    return run


class Faulty(fuse.Operations):
    """Every operation of the directory behind, by its name; reads and writes go by what was opened, as they do everywhere."""

    use_ns = True

    def __init__(self, behind, faults):
        self.behind = behind
        self.faults = faults

    def __getattribute__(self, name):
        attribute = super().__getattribute__(name)
        return faulty(self.faults, name, attribute) if name in OPERATIONS else attribute

    def real(self, path):
        return self.behind + path

    def init(self, path):
        print("mounted", flush=True)

    def access(self, path, mode):
        if not os.access(self.real(path), mode):
            raise fuse.FuseOSError(errno.EACCES)
        return 0

    def chmod(self, path, mode):
        return os.chmod(self.real(path), mode)

    def create(self, path, mode, _fi=None):
        return os.open(self.real(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def flush(self, path, fh):
        return 0

    def fsync(self, path, datasync, fh):
        return os.fsync(fh)

    def getattr(self, path, fh=None):
        stat = os.lstat(self.real(path)) if fh is None else os.fstat(fh)
        return {name.removesuffix("_ns"): getattr(stat, name) for name in STAT}

    def link(self, target, source):
        return os.link(self.real(source), self.real(target))

    def mkdir(self, path, mode):
        return os.mkdir(self.real(path), mode)

    def open(self, path, flags):
        return os.open(self.real(path), flags)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(self.real(path))]

    def readlink(self, path):
        return os.readlink(self.real(path))

    def release(self, path, fh):
        return os.close(fh)

    def rename(self, old, new):
        return os.rename(self.real(old), self.real(new))

    def rmdir(self, path):
        return os.rmdir(self.real(path))

    def statfs(self, path):
        stat = os.statvfs(self.real(path))
        return {name: getattr(stat, name) for name in STATVFS}

    def symlink(self, target, source):
        return os.symlink(source, self.real(target))

    def truncate(self, path, length, fh=None):
        return os.truncate(self.real(path) if fh is None else fh, length)

    def unlink(self, path):
        return os.unlink(self.real(path))

    def utimens(self, path, times=None):
        return os.utime(self.real(path), ns=times)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)


def unmount_at_the_end_of_input(mount):
    while os.read(0, 1):
        pass
    for command in (["fusermount3", "-uzq", mount], ["fusermount", "-uzq", mount], ["umount", "-l", mount]):
        try:
            if subprocess.run(command, check=False).returncode == 0:
                break
        except FileNotFoundError:
            pass
    # Whoever still waits for a delayed operation is told that nobody is there.
    os._exit(0)


def main():
    behind, mount, faults = sys.argv[1:]
    threading.Thread(target=unmount_at_the_end_of_input, args=(mount,), daemon=True).start()
    # Nothing is remembered by the kernel, so that each look reaches the faults. An inode has the number that it has behind.
    never = dict.fromkeys(["attr_timeout", "entry_timeout", "negative_timeout"], 0)
    try:
        fuse.FUSE(Faulty(behind, faults), mount, foreground=True, direct_io=True, use_ino=True, hard_remove=True, **never)
    except RuntimeError as error:
        print(f"nothing can be mounted: {error}", file=sys.stderr)
        os._exit(5)
    os._exit(0)


if __name__ == "__main__":
    main()

"""What the directory tier relies on, tried between the clients; and what it must not rely on, measured."""

import contextlib
import errno
import fcntl
import os
import pathlib
import time

import clients

A, B, C = (pathlib.Path(clients.MOUNTS) / client for client in "abc")
# How long attributes of a directory are remembered at most, by default, and some.
PATIENCE = 75


def read(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.read(handle, 100)
    finally:
        os.close(handle)


def open_directory(path):
    os.close(os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY))


def write_aside(path, content):
    aside = path.with_name(f"{os.urandom(8).hex()}.tmp")
    aside.write_bytes(content)
    return aside


def replace(path, content):
    write_aside(path, content).rename(path)


def write_over(path, content):
    handle = os.open(path, os.O_WRONLY)
    os.pwrite(handle, content, 0)
    os.fsync(handle)
    os.close(handle)


def value(number):
    return b"%032x" % number


def refused(action, *arguments, **named):
    """The name of the error with which this is refused; "" where it is not."""
    try:
        action(*arguments, **named)
    except OSError as error:
        return errno.errorcode[error.errno]
    return ""


def delay(look, expected):
    """Seconds until `look` gives what is expected; infinite where it does not."""
    began = time.monotonic()
    while True:
        asked = time.monotonic() - began
        with contextlib.suppress(OSError):
            if look() == expected:
                return asked
        if asked > PATIENCE:
            return float("inf")
        time.sleep(0.05)


def fresh(name, content=value(0)):
    """A directory with a file `epoch` in it, in the caches of all clients: its path on each."""
    (A / name).mkdir()
    (A / name / "epoch").write_bytes(content)
    paths = [mount / name / "epoch" for mount in (A, B, C)]
    for path in paths:
        assert read(path) == content
        # Another name that is known to be missing.
        assert refused(read, path.with_name("missing")) == "ENOENT"
    return paths


def names():
    ours, theirs, _ = fresh("names")
    (ours.parent / "sub").mkdir()
    yield "mkdir of a directory that another made says so", refused((theirs.parent / "sub").mkdir) == "EEXIST"
    (ours.parent / "missing").write_bytes(b"here")
    aside = write_aside(theirs, b"late")
    linked = refused(os.link, aside, theirs.parent / "missing")
    yield "a link to a name that is remembered as missing is refused", linked == "EEXIST"
    yield "and then that name is found", read(theirs.parent / "missing") == b"here"
    ours, theirs, _ = fresh("exclusive")
    (ours.parent / "missing").write_bytes(b"here")
    made = refused(os.open, theirs.parent / "missing", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    yield "so is its exclusive creation", made == "EEXIST"
    ours, theirs, _ = fresh("removed")
    ours.parent.joinpath("x").write_bytes(b"x")
    yield "rmdir is decided by the server", refused(theirs.parent.rmdir) == "ENOTEMPTY"
    yield "rename of a name that went says so", refused(os.rename, theirs.with_name("y"), theirs.with_name("z")) == "ENOENT"
    ours, theirs, _ = fresh("length", b"short")
    replace(ours, b"much longer than before")
    replace(ours.with_name("new"), b"of its own length")
    open_directory(theirs)
    with open(theirs.with_name("new"), "rb") as handle:
        yield "a file that was just renamed in has its length", os.fstat(handle.fileno()).st_size == 17
    with open(theirs, "rb") as handle:
        yield "and so has one that was renamed over", os.fstat(handle.fileno()).st_size == 23
    with open(ours, "wb") as one, open(theirs, "wb") as other:
        fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        locked = refused(fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield "flock excludes another client", locked in ("EAGAIN", "EWOULDBLOCK")


def held():
    """What becomes of a file that is held open."""
    content = os.urandom(300_000)
    for who, label in ((B, "another client"), (A, "the same client")):
        name = f"held by {label}"
        ours, theirs, _ = fresh(name)
        body = ours.with_name("0.body")
        body.write_bytes(content)
        handle = os.open(who / name / "0.body", os.O_RDONLY)
        os.pread(handle, 10, 0)
        body.rename(ours.with_name("trash.body"))
        yield f"held by {label}, a body is readable after its move", os.pread(handle, 400_000, 0) == content
        ours.with_name("trash.body").unlink()
        left = [entry for entry in os.listdir(ours.parent) if entry.startswith(".nfs")]
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            outcome = "readable" if os.pread(handle, 400_000, 0) == content else "WRONG"
        except OSError as error:
            outcome = errno.errorcode[error.errno]
        yield f"held by {label}, an unlinked body is whole or ESTALE: {outcome}, left {len(left)} .nfs", outcome in ("readable", "ESTALE")
        if left:
            busy = refused((ours.parent / left[0]).unlink), refused(os.rename, ours.parent / left[0], ours.with_name("x.body"))
            yield "which its own client neither removes nor moves", busy == ("EBUSY", "EBUSY")
            yield "and which another may move", refused(os.rename, theirs.parent / left[0], theirs.with_name("x.body")) == ""
        os.close(handle)
    ours, _, _ = fresh("silly")
    handle = os.open(ours, os.O_RDONLY)
    replace(ours, value(1))
    left = [entry for entry in os.listdir(ours.parent) if entry.startswith(".nfs")]
    yield f"renaming over a file that the same client has open leaves {left and left[0]}", len(left) == 1 and len(left[0]) == 28
    os.close(handle)
    # The client removes it after close has returned.
    gone = delay(lambda: any(entry.startswith(".nfs") for entry in os.listdir(ours.parent)), False)
    yield "until it is closed, and seconds longer", gone < 5


def double_writes(name, put):
    """How often the second of two writes in a row was missed by who looked between them, of 200."""
    ours, theirs, _ = fresh(name)
    missed = 0
    for number in range(200):
        put(ours, value(2 * number + 1))
        read(theirs)
        put(ours, value(2 * number + 2))
        open_directory(theirs)
        missed += read(theirs) != value(2 * number + 2)
    return missed


def measured():
    """What is not to be relied upon."""
    for holder, label in ((None, "nobody"), (C, "a third")):
        for put, how in ((replace, "renamed over"), (write_over, "written in place")):
            for first, then in ((False, "by its name alone"), (True, "its directory opened first")):
                name = f"{label} {how} {first}"
                ours, theirs, _ = fresh(name)
                handle = os.open(holder / name / "epoch", os.O_RDONLY) if holder else None
                put(ours, value(1))
                seen = delay(lambda: (first and open_directory(theirs), read(theirs))[1], value(1))
                if handle is not None:
                    os.close(handle)
                yield f"{how}, held by {label}, {then}", seen
    for how, look in (
        ("", read),
        (", opened with O_CREAT", lambda path: os.close(os.open(path, os.O_RDONLY | os.O_CREAT))),
        (", its directory opened first", lambda path: (open_directory(path), read(path))),
    ):
        ours, theirs, _ = fresh(f"missing{how}")
        (ours.parent / "missing").write_bytes(b"")
        if "O_CREAT" in how:
            yield f"a name that was missing{how}", delay(lambda: look(theirs.parent / "missing"), None)
        else:
            yield f"a name that was missing{how}", delay(lambda: bool(look(theirs.parent / "missing") is not None), True)


def tried(file_system):
    """Prints it all; answers how much went wrong."""
    print(f"\n{file_system}: what is relied upon")
    wrong = 0
    for trials in (names(), held()):
        for promise, kept in trials:
            print(f"{'ok   ' if kept else 'WRONG'} {promise}", flush=True)
            wrong += not kept
    for put, how in ((write_over, "in place"), (replace, "renamed over")):
        print(f"      of 200 pairs of writes {how}, the second was missed {double_writes(how, put)} times")
    print(f"\n{file_system}: how long another client did not see it")
    for what, seconds in measured():
        print(f"{seconds:7.2f} s  {what}", flush=True)
    return wrong

"""Says which C library the executable of a zip asks for, and refuses what Lambda could not start: tools/glibc.py ZIP ARCHITECTURE"""

import struct
import sys
import zipfile

# What provided.al2023 has. Source: the Lambda guide, "OS-only runtime": Amazon Linux 2023, whose glibc is 2.34.
HIGHEST = (2, 34)
MACHINES = {62: "x86_64", 183: "arm64"}
# A section of the versions that are asked of libraries. Source: the Linux Standard Base, "Symbol Versioning".
VERSIONS_NEEDED = 0x6FFF_FFFE


def main():
    path, architecture = sys.argv[1:]
    with zipfile.ZipFile(path) as file:
        machine, versions = read(file.read("bootstrap"))
    if machine != architecture:
        sys.exit(f"{path} was built for {machine}, not {architecture}")
    highest = max(versions, default=(0,))
    print(f"{path} is for {machine} and asks for glibc {text(highest)}; Lambda has {text(HIGHEST)}")
    if highest > HIGHEST:
        sys.exit(f"Lambda could not start it: glibc {text(highest)} is more than {text(HIGHEST)}")


def read(elf):
    """The machine, and the versions of glibc that are asked for, of a 64-bit little-endian ELF file."""
    if elf[:6] != b"\x7fELF\x02\x01":
        sys.exit("the bootstrap is no executable of Linux on x86_64 or arm64")
    (machine,) = struct.unpack_from("<H", elf, 18)
    (start,), (size, count) = struct.unpack_from("<Q", elf, 40), struct.unpack_from("<HH", elf, 58)
    # Each: name, type, flags, address, offset, size, link, info.
    sections = [struct.unpack_from("<IIQQQQII", elf, start + at * size) for at in range(count)]
    names = [name for it in sections if it[1] == VERSIONS_NEEDED for name in needed(elf, it, sections[it[6]][4])]
    glibc = [name.removeprefix("GLIBC_") for name in names if name.startswith("GLIBC_")]
    return MACHINES.get(machine, f"machine {machine}"), [version(it) for it in glibc if it != "PRIVATE"]


def needed(elf, section, strings):
    """The names of all versions in such a section: a list of libraries, each with a list of its versions."""
    library = section[4]
    for _ in range(section[7]):
        _, count, _, first, to_next = struct.unpack_from("<HHIII", elf, library)
        at = library + first
        for _ in range(count):
            _, _, _, name, to_next_version = struct.unpack_from("<IHHII", elf, at)
            start = strings + name
            yield elf[start : elf.index(b"\0", start)].decode()
            at += to_next_version
        library += to_next


def version(name):
    return tuple(int(part) for part in name.split("."))


def text(numbers):
    return ".".join(map(str, numbers))


if __name__ == "__main__":
    main()

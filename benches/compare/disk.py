"""The disk that everything is measured on."""

import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
START = 1 * MIB
LENGTH = 6 << 30

# A kernel, its headers, two languages with their libraries: small files, as /usr is full of them.
PACKAGES = "linux-image-amd64,linux-headers-amd64,perl,python3,git,gcc,libboost-dev,golang-src,acl,attr,locales"

# What every way is asked for, besides bytes: made here, looked for in each archive by losses.py.
PROBE = "srv/probe"


@dataclass
class Image:
    """A disk image, and the filesystem in it that is archived."""

    path: Path
    number: int
    start: int
    length: int

    def superblock(self):
        with open(self.path, "rb") as file:
            file.seek(self.start + 1024)
            return file.read(1024)

    def filesystem(self):
        """`ext4` for any ext, `xfs`, or nothing that is known here."""
        if self.superblock()[56:58] == b"\x53\xef":
            return "ext4"
        return "xfs" if self.xfs()[:4] == b"XFSB" else None

    def xfs(self):
        with open(self.path, "rb") as file:
            file.seek(self.start)
            return file.read(512)

    def used(self):
        """Bytes that its filesystem has in use, by its superblock."""
        if self.filesystem() == "xfs":
            block = self.xfs()
            blocks, free = (int.from_bytes(block[at:at + 8], "big") for at in (8, 144))
            return (blocks - free) * int.from_bytes(block[4:8], "big")
        block = self.superblock()
        number = lambda at: int.from_bytes(block[at:at + 4], "little")  # noqa: E731
        # s_blocks_count_lo, s_free_blocks_count_lo, s_log_block_size: as of the last time it was written.
        return (number(4) - number(12)) << (10 + number(24))

    def describe(self):
        where = f"partition {self.number}" if self.number else "no partition"
        return f"{where}, {self.length / (1 << 30):.1f} GiB"


def run(*argv, **options):
    return subprocess.run([str(word) for word in argv], check=True, **options)


def given(path):
    """The largest ext filesystem or XFS of an image: in a partition, or all of it."""
    found = [image for image in volumes(path.resolve()) if image.filesystem()]
    if not found:
        sys.exit(f"benches/versus: {path}: no ext filesystem and no XFS, neither in a partition nor on all of it")
    return max(found, key=lambda image: image.length)


def volumes(path):
    """All of an image, as voltar's partition 0, and each partition that sfdisk tells of."""
    yield Image(path, 0, 0, path.stat().st_size)
    told = subprocess.run(["sfdisk", "-J", path], capture_output=True, text=True)
    if told.returncode != 0:
        return
    table = json.loads(told.stdout)["partitiontable"]
    sector = table.get("sectorsize", 512)
    for place, row in enumerate(table.get("partitions", []), 1):
        named = re.search(r"(\d+)$", row["node"])
        yield Image(path, int(named.group(1)) if named else place, row["start"] * sector, row["size"] * sector)


def made(folder, filesystem):
    """A Debian guest of about 3 GiB: made once, kept under target/."""
    path = folder / ("disk.img" if filesystem == "ext4" else f"disk-{filesystem}.img")
    if not path.exists():
        if os.geteuid() != 0:
            sys.exit("benches/versus: making the disk takes root (debootstrap, a loop mount); --image names one that is there")
        folder.mkdir(parents=True, exist_ok=True)
        print(f"making {path}, once", file=sys.stderr)
        make(path, filesystem)
    return given(path)


def format_partition(path, filesystem):
    if filesystem == "ext4":
        run("mke2fs", "-q", "-F", "-t", "ext4", "-L", "guest", "-E", f"offset={START}", path, f"{LENGTH // 1024}k")
        return
    loop = run("losetup", "--find", "--show", "--offset", START, "--sizelimit", LENGTH, path, capture_output=True, text=True)
    device = loop.stdout.strip()
    try:
        run("mkfs.xfs", "-q", "-f", "-L", "guest", device)
    finally:
        run("losetup", "--detach", device)


def make(path, filesystem):
    unfinished = path.with_suffix(".part")
    with open(unfinished, "wb") as file:
        file.truncate(START + LENGTH + MIB)
    run("sfdisk", "--quiet", unfinished, input=f"label: dos\nstart={START // 512}, size={LENGTH // 512}, type=83\n".encode())
    format_partition(unfinished, filesystem)
    root = path.with_suffix(".mount")
    root.mkdir(exist_ok=True)
    run("mount", "-o", f"loop,offset={START},sizelimit={LENGTH}", unfinished, root)
    try:
        # It mounts /proc and /sys in there: in a namespace of its own they are gone with it, whatever happens.
        run("unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite(), root, mirror(), stdout=subprocess.DEVNULL)
        shutil.rmtree(root / "var/cache/apt/archives")
        dice = random.Random(20240229)
        database(root / "var/lib/app.sqlite", dice)
        logs(root / "var/log", dice)
        sparse(root / "var/lib/machine.raw", dice)
        (root / "srv").mkdir(exist_ok=True)
        (root / "srv/video.mp4").write_bytes(dice.randbytes(192 * MIB))
        probe(root / PROBE)
    finally:
        run("umount", root)
        root.rmdir()
    unfinished.rename(path)


def suite():
    return re.search(r"VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text()).group(1)


def mirror():
    """The mirror that this machine's own packages come from."""
    lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for path in lists:
        for line in path.read_text().splitlines() if path.exists() else ():
            if line.startswith(("deb ", "URIs:")):
                return next(word for word in line.split() if "://" in word)
    sys.exit("benches/versus: no Debian mirror in /etc/apt")


def words(dice, count):
    letters = "etaoinshrdlucmfwypvbgkqjxz"
    return ["".join(dice.choices(letters, weights=range(26, 0, -1), k=dice.randint(2, 11))) for _ in range(count)]


def database(path, dice):
    """A table of orders with an index: some 300 MiB."""
    vocabulary = words(dice, 5000)
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; CREATE TABLE orders"
                             "(id INTEGER PRIMARY KEY, customer TEXT, placed INTEGER, total REAL, note TEXT)")
    rows = ((None, " ".join(dice.choices(vocabulary, k=2)), 1700000000 + dice.randrange(10**8), dice.random() * 1000,
             " ".join(dice.choices(vocabulary, k=dice.randint(5, 40)))) for _ in range(1_300_000))
    connection.executemany("INSERT INTO orders VALUES (?,?,?,?,?)", rows)
    connection.execute("CREATE INDEX by_customer ON orders(customer)")
    connection.commit()
    connection.close()


def logs(folder, dice):
    """A web server's log, and older ones that gzip has been over."""
    paths = ["/" + "/".join(words(dice, dice.randint(1, 4))) for _ in range(3000)]
    agents = [" ".join(words(dice, 12)) for _ in range(200)]
    for number in range(6):
        with open(folder / f"access.log.{number}", "w") as file:
            for _ in range(500_000):
                address = ".".join(str(dice.randrange(256)) for _ in range(4))
                second = dice.randrange(86400)
                file.write(f'{address} - - [29/Feb/2024:{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02} +0000] '
                           f'"GET {dice.choice(paths)} HTTP/1.1" {dice.choice((200, 200, 200, 304, 404))} '
                           f'{dice.randrange(100000)} "-" "{dice.choice(agents)}"\n')
        if number >= 4:
            run("gzip", "-9", folder / f"access.log.{number}")


def sparse(path, dice):
    """1 GiB with some 60 MiB of data, here and there. No more: most ways read and compress the holes as well."""
    with open(path, "wb") as file:
        file.truncate(1 << 30)
        text = " ".join(words(dice, 300_000)).encode()
        for _ in range(64):
            file.seek(dice.randrange(1 << 10) * MIB)
            at = dice.randrange(len(text) - MIB)
            file.write(text[at:at + MIB])


def probe(folder):
    folder.mkdir(parents=True)
    (folder / "file").write_text("one\n")
    os.link(folder / "file", folder / "again")
    os.setxattr(folder / "file", "user.colour", b"green")
    run("setfacl", "-m", "u:1234:r", folder / "file")
    os.utime(folder / "file", ns=(1_700_000_000_111_222_333, 1_600_000_000_123_456_789))
    os.chown(folder / "file", 4321, 4321)
    with open(folder / "sparse", "wb") as file:
        file.truncate(64 * MIB)
        file.seek(32 * MIB)
        file.write(b"in the middle")
    os.mknod(folder / "device", 0o20600, os.makedev(1, 3))
    os.mkfifo(folder / "fifo")

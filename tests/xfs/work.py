#!/usr/bin/env python3
"""work.py FOLDER SEED COUNT END [IMAGE STOPPED]: changes a mounted XFS at random, and stops it.

FOLDER is the mount. SEED chooses what is done, COUNT how much of it. END is how it stops:
`shutdown` as if the plug was pulled, `flush` the same after the log was written, `copy` clones the
IMAGE below the mount as STOPPED in the middle of the work, `freeze` leaves it frozen, or clones the
frozen image, `none` leaves it mounted.

Operations that a filesystem refuses are skipped: another one may have them. A second process works
beside this one until the filesystem is gone, so that the end comes in the middle of something.
"""
import ctypes
import errno
import fcntl
import os
import random
import signal
import struct
import sys

FOLDER, SEED, COUNT, END = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
IMAGE, STOPPED = sys.argv[5:7] if len(sys.argv) > 5 else (None, None)
LIBC = ctypes.CDLL(None, use_errno=True)
GOING_DOWN = 0x8004587D
CLONE_RANGE = 0x4020940D
GET_FLAGS, SET_FLAGS = 0x80086601, 0x40086602
CLONE = 0x40049409
FREEZE, THAW = 0xC0045877, 0xC0045878
GET_XATTR, SET_XATTR = 0x801C581F, 0x401C5820
EXCHANGE, WHITEOUT, NO_REPLACE = 2, 4, 1
TEMPORARY = 0o20200000
IMMUTABLE_X, APPEND_X, INHERIT_X, NO_LINKS_X, SIZE_X, INHERIT_SIZE_X = 8, 16, 0x200, 0x400, 0x800, 0x1000
NO_DUMP, NO_ATIME, SYNC, APPEND = 0x40, 0x80, 0x8, 0x20
GONE = {errno.EIO, errno.ESHUTDOWN, errno.EUCLEAN}


class Work:
    def __init__(self, seed, home):
        self.random = random.Random(seed)
        self.home = home
        self.names = {"": "d"}
        self.held = []
        os.makedirs(home, exist_ok=True)

    def path(self, name):
        return os.path.join(self.home, name)

    def pick(self, kind):
        found = [name for name, have in self.names.items() if have == kind]
        return self.random.choice(found) if found else None

    def fresh(self):
        folder = self.pick("d")
        length = self.random.choice([1, 3, 8, 20, 60, 150, 240])
        word = "".join(self.random.choice("abcdefghijklmnopqrstuvwxyz\u00e9 %=") for _ in range(length))
        name = f"{len(self.names)}{word}".encode()[:250].decode(errors="ignore")
        return os.path.join(folder, name)

    def text(self, length):
        line = f"{self.random.random()} {length}\n".encode()
        return (line * (length // len(line) + 1))[:length]

    def create(self):
        name = self.fresh()
        with open(self.path(name), "wb") as file:
            file.write(self.text(self.random.choice([0, 1, 100, 4096, 5000, 70000, 300000])))
            self.names[name] = "f"
            if self.random.random() < 0.3:
                os.fsync(file.fileno())

    def many(self):
        folder = self.fresh()
        os.mkdir(self.path(folder))
        self.names[folder] = "d"
        for number in range(self.random.choice([5, 40, 300, 900])):
            name = os.path.join(folder, f"{number}-{'n' * self.random.randrange(60)}")
            os.close(os.open(self.path(name), os.O_CREAT | os.O_WRONLY, 0o600))
            self.names[name] = "f"

    def write(self):
        name = self.pick("f")
        descriptor = os.open(self.path(name), os.O_WRONLY)
        try:
            for _ in range(self.random.randrange(1, 12)):
                at = self.random.choice([0, 4096, 12288, 100000, 1 << 20, 1 << 33, self.random.randrange(1 << 21)])
                os.pwrite(descriptor, self.text(self.random.choice([1, 512, 4096, 9000])), at)
            if self.random.random() < 0.5:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def truncate(self):
        os.truncate(self.path(self.pick("f")), self.random.choice([0, 1, 5000, 1 << 20, 1 << 34]))

    def fallocate(self):
        mode = self.random.choice([0, 1, 3, 16, 17, 8, 32])
        descriptor = os.open(self.path(self.pick("f")), os.O_RDWR)
        try:
            offset = ctypes.c_int64
            at, length = self.random.randrange(40) * 4096, self.random.randrange(1, 20) * 4096
            if LIBC.fallocate(descriptor, mode, offset(at), offset(length)):
                raise OSError(ctypes.get_errno(), "fallocate")
        finally:
            os.close(descriptor)

    def clone(self):
        source, target = self.pick("f"), self.pick("f")
        reader, writer = os.open(self.path(source), os.O_RDONLY), os.open(self.path(target), os.O_RDWR)
        try:
            at = self.random.randrange(8) * 4096
            fcntl.ioctl(writer, CLONE_RANGE, struct.pack("qQQQ", reader, 0, 0, at))
        finally:
            os.close(reader)
            os.close(writer)

    def remove(self):
        name = self.pick(self.random.choice("fffl"))
        os.unlink(self.path(name))
        del self.names[name]

    def remove_open(self):
        name = self.pick("f")
        self.held.append(os.open(self.path(name), os.O_RDONLY))
        os.unlink(self.path(name))
        del self.names[name]

    def remove_folder(self):
        name = self.pick("d")
        if name:
            os.rmdir(self.path(name))
            del self.names[name]

    def rename(self):
        old, new = self.pick(self.random.choice("ffl")), self.random.choice([self.fresh(), self.pick("f")])
        os.rename(self.path(old), self.path(new))
        self.names[new] = self.names[old]
        if old != new:
            del self.names[old]

    def rename_with(self):
        old, new = self.pick(self.random.choice("fd")), self.pick("f")
        flag = self.random.choice([EXCHANGE, WHITEOUT, NO_REPLACE])
        new = new if flag == EXCHANGE else self.fresh()
        if not old or not new or new.startswith(old + "/"):
            return
        paths = [os.fsencode(self.path(name)) for name in (old, new)]
        if LIBC.renameat2(-100, paths[0], -100, paths[1], flag):
            raise OSError(ctypes.get_errno(), "renameat2")
        kinds = self.names.pop(old), self.names.pop(new, None)
        if "d" in kinds:
            # Whatever lay below has other names now.
            below = lambda name: name.startswith(old + "/") or name.startswith(new + "/")
            self.names = {name: kind for name, kind in self.names.items() if not below(name)}
        self.names[new] = kinds[0]
        if flag == EXCHANGE:
            self.names[old] = kinds[1]

    def temporary(self):
        descriptor = os.open(self.path(self.pick("d")), os.O_RDWR | TEMPORARY, 0o640)
        os.write(descriptor, self.text(self.random.choice([10, 5000, 200000])))
        if self.random.random() < 0.5:
            new = self.fresh()
            os.link(f"/proc/self/fd/{descriptor}", self.path(new), follow_symlinks=True)
            self.names[new] = "f"
        self.held.append(descriptor)

    def project(self):
        kind = self.random.choice("fd")
        descriptor = os.open(self.path(self.pick(kind)), os.O_RDONLY)
        try:
            now = bytearray(28)
            fcntl.ioctl(descriptor, GET_XATTR, now)
            flags, size, *rest = struct.unpack("IIIII8s", now)
            rest[1] = self.random.choice([0, 7, 70000, 4000000000])
            flags ^= self.random.choice([0, INHERIT_X, NO_LINKS_X, INHERIT_SIZE_X] if kind == "d" else [0, SIZE_X])
            if flags & (SIZE_X | INHERIT_SIZE_X):
                size = 65536
            fcntl.ioctl(descriptor, SET_XATTR, struct.pack("IIIII8s", flags, size, *rest))
        finally:
            os.close(descriptor)

    def shrink(self):
        folder = self.pick("d")
        inside = [name for name, kind in self.names.items() if os.path.dirname(name) == folder and kind == "f"]
        for name in self.random.sample(inside, len(inside) * self.random.randrange(1, 11) // 10):
            os.unlink(self.path(name))
            del self.names[name]

    def attributes(self):
        path = self.path(self.pick(self.random.choice("fd")))
        for number in range(self.random.choice([5, 40, 250])):
            name = f"{self.random.choice(['user', 'trusted', 'security'])}.{number}{'n' * self.random.randrange(100)}"
            os.setxattr(path, name, self.text(self.random.choice([0, 3, 40, 240, 1000])))
        for name in os.listxattr(path):
            if self.random.random() < 0.3:
                os.removexattr(path, name)

    def attribute_of_link(self):
        value = self.text(self.random.choice([1, 60, 400, 5000]))
        os.setxattr(self.path(self.pick("l")), f"trusted.{self.random.randrange(4)}", value, follow_symlinks=False)

    def sealed(self):
        descriptor = os.open(self.path(self.pick("f")), os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SET_FLAGS, struct.pack("l", self.random.choice([0x10, 0x20, 0x30, 0])))
        finally:
            os.close(descriptor)

    def link(self):
        new = self.fresh()
        os.link(self.path(self.pick("f")), self.path(new))
        self.names[new] = "f"

    def symlink(self):
        new = self.fresh()
        os.symlink("t" * self.random.choice([1, 30, 200, 400, 1000, 1023]), self.path(new))
        self.names[new] = "l"

    def mkdir(self):
        new = self.fresh()
        os.mkdir(self.path(new))
        self.names[new] = "d"

    def device(self):
        new = self.fresh()
        kind = self.random.choice([0o020000, 0o060000, 0o010000])
        os.mknod(self.path(new), kind | 0o640, os.makedev(self.random.randrange(4095), self.random.randrange(1 << 18)))
        self.names[new] = "s"

    def attribute(self):
        name = self.pick(self.random.choice("ffd"))
        space = self.random.choice(["user", "user", "trusted", "security"])
        key = f"{space}.{self.random.choice('abcdefgh')}{'k' * self.random.choice([0, 5, 60, 200])}"
        if self.random.random() < 0.25:
            return os.removexattr(self.path(name), key)
        os.setxattr(self.path(name), key, self.text(self.random.choice([0, 1, 20, 200, 300, 2500, 9000, 65536])))

    def acl(self):
        name = self.pick(self.random.choice("fd"))
        users = sorted(self.random.sample(range(1, 5000), self.random.randrange(1, 20)))
        entry = lambda tag, who=0xFFFFFFFF: struct.pack("<HHI", tag, self.random.randrange(8), who)
        body = [entry(1), *(entry(2, user) for user in users), entry(4), entry(16), entry(32)]
        kind = "default" if self.names[name] == "d" and self.random.random() < 0.5 else "access"
        os.setxattr(self.path(name), f"system.posix_acl_{kind}", struct.pack("<I", 2) + b"".join(body))

    def change(self):
        path = self.path(self.pick(self.random.choice("fd")))
        match self.random.randrange(3):
            case 0:
                os.chmod(path, self.random.randrange(0o10000))
            case 1:
                os.chown(path, self.random.randrange(1 << 31), self.random.randrange(1 << 31))
            case 2:
                times = [self.random.randrange(-2**31, 2**31) * 10**9 + self.random.randrange(10**9) for _ in "ab"]
                os.utime(path, ns=tuple(times))

    def flags(self):
        descriptor = os.open(self.path(self.pick(self.random.choice("fd"))), os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SET_FLAGS, struct.pack("l", self.random.choice([0, NO_DUMP, NO_ATIME, SYNC])))
        finally:
            os.close(descriptor)

    def sync(self):
        if self.random.random() < 0.3:
            os.sync()

    def fragment(self):
        name = self.fresh()
        descriptor = os.open(self.path(name), os.O_CREAT | os.O_WRONLY, 0o600)
        self.names[name] = "f"
        try:
            for number in range(self.random.choice([10, 50, 400])):
                os.pwrite(descriptor, self.text(4096), number * 8192)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def step(self):
        ways = [self.create] * 6 + [self.write] * 4 + [self.attribute] * 4 + [self.remove] * 3 + [
            self.many, self.truncate, self.fallocate, self.clone, self.clone, self.remove_open, self.remove_folder,
            self.rename, self.rename, self.link, self.symlink, self.mkdir, self.mkdir, self.device, self.acl,
            self.change, self.flags, self.sync, self.fragment, self.rename_with, self.temporary, self.project,
            self.shrink, self.shrink, self.attributes, self.attribute_of_link, self.sealed,
        ]
        try:
            self.random.choice(ways)()
        except OSError as error:
            if error.errno in GONE:
                raise
        except (TypeError, KeyError):
            pass  # there was nothing to pick


def clone(image, to):
    """One moment of a file: writers wait, and a clone is whole or not there."""
    with open(image, "rb") as source, open(to, "wb") as target:
        fcntl.ioctl(target, CLONE, source.fileno())


def main():
    work = Work(SEED, os.path.join(FOLDER, "one"))
    beside = 0
    if END in ("shutdown", "flush", "copy"):
        beside = os.fork()
        if beside == 0:
            other = Work(SEED + 1, os.path.join(FOLDER, "two"))
            try:
                for _ in range(100 * COUNT):
                    other.step()
            except OSError:
                pass
            os._exit(0)
    for _ in range(COUNT):
        work.step()
    root = os.open(FOLDER, os.O_RDONLY)
    if END == "copy":
        clone(IMAGE, STOPPED)
        os.kill(beside, signal.SIGKILL)
    elif END == "freeze":
        fcntl.ioctl(root, FREEZE, 0)
        if IMAGE:
            clone(IMAGE, STOPPED)
            fcntl.ioctl(root, THAW, 0)
    elif END != "none":
        # 1 writes the log first, 2 does not.
        fcntl.ioctl(root, GOING_DOWN, struct.pack("I", 1 if END == "flush" else 2))
    if beside:
        os.waitpid(beside, 0)


main()

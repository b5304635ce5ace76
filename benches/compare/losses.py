"""What an archive has lost of the things that are no bytes: looked for in the archive itself."""

import os
import shutil
import subprocess
from pathlib import Path

from .disk import PROBE

# A symbolic link of each Debian, to ../usr/lib/os-release.
LINK = "*etc/os-release"


def of(archive, image, work):
    """Names of what is gone, out of what disk.py put into the probe's folder; none where the disk has no such folder."""
    folder = work / "probe"
    folder.mkdir()
    program = ["--zstd"] if archive.suffix == ".zst" else ["--gzip"]
    command = ["tar", "--extract", *program, "--file", archive, "--directory", folder, "--xattrs", "--xattrs-include=*", "--acls",
               "--numeric-owner", "--preserve-permissions", "--wildcards", f"*{PROBE}/*", LINK]
    subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
    found = list(folder.rglob("probe/file"))
    if not found:
        shutil.rmtree(folder)
        return None
    lost = [name for name, kept in checks(found[0].parent).items() if not kept]
    # It dangles here, and a pattern without a star passes over what dangles.
    if not any(path.is_symlink() and path.name == Path(LINK).name for path in folder.rglob("*")):
        lost.append("links that lead upwards")
    shutil.rmtree(folder)
    return lost


def checks(probe):
    file = os.stat(probe / "file")

    def holds(name, test):
        try:
            return test(os.lstat(probe / name))
        except OSError:
            return False

    def attribute(name):
        try:
            return bool(os.getxattr(probe / "file", name))
        except OSError:
            return False

    sparse = (probe / "sparse").exists() and stored_sparse(probe / "sparse")
    return {
        "owners": (file.st_uid, file.st_gid) == (4321, 4321),
        "hard links": holds("again", lambda again: again.st_ino == file.st_ino),
        "xattrs": attribute("user.colour"),
        "ACLs": attribute("system.posix_acl_access"),
        "sparse files": sparse,
        "ns times": file.st_mtime_ns == 1_600_000_000_123_456_789,
        "devices": holds("device", lambda device: device.st_rdev == os.makedev(1, 3)),
    }


def stored_sparse(path):
    """Whether tar made holes in it, which it does only where the archive has them."""
    stat = path.stat()
    return stat.st_blocks * 512 < stat.st_size // 2

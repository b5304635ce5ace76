"""Lists tars as Python's tarfile sees them: one line a member, fields in hexadecimal digits.

usage: read.py MOST_BYTES TAR...

A line `=` begins each tar. Of files up to MOST_BYTES the content is read. A line `+` ends each tar with
two digests: of the content of all files, and of that with the targets of symbolic links.
"""

import hashlib
import sys
import tarfile

KINDS = {
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "link",
    tarfile.CHRTYPE: "chr",
    tarfile.BLKTYPE: "blk",
    tarfile.FIFOTYPE: "fifo",
}


def hexed(text):
    return text.encode("utf-8", "surrogateescape").hex()


for path in sys.argv[2:]:
    print("=")
    files, with_links = hashlib.sha1(), hashlib.sha1()
    with tarfile.open(path) as tar:
        for member in tar:
            kind = "file" if member.isreg() else KINDS[member.type]
            digest = "-"
            if kind == "file" and member.size <= int(sys.argv[1]):
                content = tar.extractfile(member).read()
                digest = hashlib.sha1(content).hexdigest()
                files.update(content)
                with_links.update(content)
            if kind == "symlink":
                with_links.update(member.linkname.encode("utf-8", "surrogateescape"))
            size = member.size if kind == "file" else 0
            print("\t".join([hexed(member.name), kind, str(size), digest, hexed(member.linkname)]))
    print("\t".join(["+", files.hexdigest(), with_links.hexdigest()]))

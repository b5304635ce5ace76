"""Turns the lines of `borg list --json-lines` into those that read.py prints."""

import json
import sys

KINDS = {"-": "file", "d": "dir", "l": "symlink", "h": "link", "c": "chr", "b": "blk", "p": "fifo"}


def hexed(text):
    return text.encode("utf-8", "surrogateescape").hex()


for line in sys.stdin:
    item = json.loads(line)
    # A further name has the type of a file, and says what it is the same as.
    kind = KINDS[item["type"]]
    link = item["linktarget"]
    kind = "link" if kind == "file" and link else kind
    size, digest = (item["size"], item["sha1"] or "-") if kind == "file" else (0, "-")
    print("\t".join([hexed(item["path"]), kind, str(size), digest, hexed(link)]))

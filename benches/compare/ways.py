"""The ways from a disk image to an archive and its checksum."""

import json
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field

# The guide's pipeline maps the partition with kpartx, which needs a device mapper. Where there is none, and where there is no partition, it
# is a loop device with the offset that sfdisk tells. The loop device below kpartx is made by hand: `kpartx -d IMAGE` does not always find
# the one that `kpartx -a IMAGE` has made, and leaves both.
MOUNT = """
if [ {number} -gt 0 ] && command -v kpartx > /dev/null && dmsetup version > /dev/null 2>&1; then
    loop=$(losetup --find --show --read-only {image})
    unmap() {{ kpartx -ds $loop; losetup --detach $loop; }}
    device=/dev/mapper/$(kpartx -avs $loop | sed -n 's/^add map \\([^ ]*p{number}\\) .*/\\1/p')
else
    device=$(losetup --find --show --read-only --offset {start} --sizelimit {length} {image})
    unmap() {{ losetup --detach $device; }}
fi
undo() {{ umount {mnt} 2> /dev/null || true; unmap; }}
trap undo EXIT
mount -o ro $device {mnt}
"""

# Shell, since that is what these ways are in practice. {out} is the archive's path without its ending.
ALL_PACKED = "tar --create --directory {mnt} --numeric-owner --xattrs --xattrs-include='*' --acls --sparse ."


@dataclass
class Way:
    """One way to make an archive."""

    name: str
    script: str
    ending: str
    needs_root: bool
    tools: list = field(default_factory=list)
    # The guide's pipeline is what all others are measured by.
    is_yardstick: bool = False
    is_ours: bool = False
    # The only filesystem that it can read; none where it reads all.
    only_on: str = ""

    def missing(self):
        """Why it can't be run here, if it can't."""
        gone = [tool for tool in self.tools if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
        if gone:
            return f"there is no {', '.join(gone)}"
        if self.needs_root and os.geteuid() != 0:
            return "it takes root"
        if "fuse2fs" in self.tools and not os.path.exists("/dev/fuse"):
            return "there is no /dev/fuse"
        return None

    def command(self, image, programs, folder):
        words = {"image": image.path, "start": image.start, "length": image.length, "number": image.number,
                 "out": folder / "out", "mnt": folder / "mnt", "tree": folder / "tree", "part": folder / "part", **programs}
        quoted = {name: shlex.quote(str(word)) for name, word in words.items()}
        return ["bash", "-c", "set -euo pipefail\n" + self.script.format(**quoted)]


def mounted(name, pipeline, ending, *tools, **flags):
    script = MOUNT + pipeline + "\nsha1sum {out}" + ending + " > {out}" + ending + ".sha1"
    return Way(name, script, ending, True, ["losetup", "mount", "tar", "sha1sum", *tools], **flags)


def rootless(name, prepare, pipeline, *tools):
    script = prepare + pipeline + " | zstd -q -T2 -3 -o {out}.tar.zst\nsha1sum {out}.tar.zst > {out}.tar.zst.sha1"
    return Way(name, script, ".tar.zst", False, ["tar", "zstd", "sha1sum", *tools])


def ours(name, arguments, ending):
    script = "{voltar} archive {image} --partition {number} --threads 2 --quiet " + arguments + " -o {out}" + ending
    return Way(name, script, ending, False, is_ours=True)


ALL = [
    mounted("guide: mount + tar -z", "tar --create --gzip --file {out}.tar.gz --directory {mnt} .", ".tar.gz", "gzip",
            is_yardstick=True),
    mounted("mount + tar + pigz", "tar --create --directory {mnt} . | pigz -p2 > {out}.tar.gz", ".tar.gz", "pigz"),
    mounted("mount + tar + zstd -T0 -3", "tar --create --directory {mnt} . | zstd -q -T0 -3 -o {out}.tar.zst", ".tar.zst", "zstd"),
    mounted("mount + tar, all metadata + zstd -T2 -3", ALL_PACKED + " | zstd -q -T2 -3 -o {out}.tar.zst", ".tar.zst", "zstd"),
    mounted("xfsdump + zstd -T0 -3", "xfsdump -J -v silent -L l -M m -l 0 - {mnt} | zstd -q -T0 -3 -o {out}.xfsdump.zst",
            ".xfsdump.zst", "xfsdump", "zstd", only_on="xfs"),
    rootless("fuse2fs + tar + zstd", """
fuse2fs -f -o ro,fakeroot,offset={start} {image} {mnt} > /dev/null 2>&1 & fuse=$!
trap 'fusermount -u {mnt} 2>/dev/null || umount {mnt}; wait $fuse || true' EXIT
until mountpoint -q {mnt}; do sleep 0.02; done
""", ALL_PACKED, "fuse2fs"),
    rootless("7-Zip + tar + zstd", """
7zz x -y -bd -snl -o{part} {image} > /dev/null 2>&1 || true
# Of a disk with one partition it gives that one's files, of one with more an image of each.
if [ -n "$(find {part} -mindepth 1 -maxdepth 1 -type d)" ]; then
    rmdir {tree}
    mv {part} {tree}
else
    7zz x -y -bd -snl -o{tree} "$(ls -S {part}/* | head -n1)" > /dev/null 2>&1 || true
    rm -r {part}
fi
""", "tar --create --directory {tree} --sparse .", "7zz"),
    rootless("debugfs rdump + tar + zstd", "debugfs -R 'rdump / {tree}' {image}'?offset='{start} > /dev/null 2>&1\n",
             "tar --create --directory {tree} --sparse .", "debugfs"),
    rootless("ext4-view + tar + zstd", "", "{ext4_view} {image} {start}"),
    ours("voltar, gzip", "--compress gzip", ".tar.gz"),
    ours("voltar, --level 3", "--level 3", ".tar.zst"),
    ours("voltar", "", ".tar.zst"),
]


def build(root):
    """Builds the programs that the ways run, and says where they are."""
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--bin", "voltar"], cwd=root, check=True)
    command = ["cargo", "bench", "--locked", "--quiet", "--bench", "ext4_view", "--no-run", "--message-format=json"]
    told = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    artifacts = [json.loads(line) for line in told.splitlines()]
    reader = next(a["executable"] for a in artifacts if a.get("executable") and a["target"]["name"] == "ext4_view")
    target = os.environ.get("CARGO_TARGET_DIR", root / "target")
    return {"voltar": os.path.join(target, "release", "voltar"), "ext4_view": reader}

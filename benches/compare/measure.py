"""Runs one way and measures it: time, processor, memory, bytes."""

import os
import shutil
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from .started import Started
from .table import processor

# Looking at all processes takes some milliseconds, which the ways are not to pay for.
SAMPLE_EVERY = 0.1


class Failed(Exception):
    """A way made no archive."""


@dataclass
class Run:
    wall: float
    cpu: float
    peak: int
    read: int
    size: int
    # Which processor it was taken on: a virtual machine may have moved in between.
    processor: str
    archive: Path


@dataclass
class Results:
    """All runs of one way."""

    way: object
    runs: dict = field(default_factory=lambda: {"cold": [], "warm": []})
    lost: list = None

    def add(self, temperature, run):
        self.runs[temperature].append(run)

    def median(self, name, temperature="warm"):
        values = [getattr(run, name) for run in self.runs[temperature]]
        return statistics.median(values) if values else None

    def spread(self, name, temperature="warm"):
        values = [getattr(run, name) for run in self.runs[temperature]]
        return (max(values) - min(values)) / 2 if values else 0

    def takes_longer_than(self, seconds):
        """Whether it did, in its first warm run."""
        return bool(self.runs["warm"]) and self.runs["warm"][0].wall > seconds


def can_drop_caches():
    return os.geteuid() == 0


def drop_caches():
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


def warm(image):
    with open(image.path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def disk_read():
    """Bytes that this machine's disks have read so far."""
    total = 0
    for stat in Path("/sys/block").glob("*/stat"):
        if not stat.parent.name.startswith(("loop", "dm-", "zram", "ram")):
            total += int(stat.read_text().split()[2]) * 512
    return total


class Memory(threading.Thread):
    """Watches the resident memory of all processes of a session, together. What several share is counted for each.

    A peak between two looks is missed; of the largest process the kernel tells it afterwards."""

    def __init__(self, session):
        super().__init__(daemon=True)
        self.session, self.peak, self.over = session, 0, threading.Event()

    def run(self):
        page = os.sysconf("SC_PAGE_SIZE")
        while not self.over.wait(SAMPLE_EVERY):
            total = 0
            for name in os.listdir("/proc"):
                if not name.isdigit():
                    continue
                try:
                    fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                # Fields of proc_pid_stat(5), counted from the third: session is the 6th, rss the 24th.
                if int(fields[3]) == self.session:
                    total += int(fields[21]) * page
            self.peak = max(self.peak, total)


def run(way, image, programs, work, cold=False):
    """Runs a way in an empty folder. One that fails has no figure: that of something else helps nobody."""
    shutil.rmtree(work, ignore_errors=True)
    (work / "mnt").mkdir(parents=True)
    (work / "tree").mkdir()
    if cold:
        drop_caches()
    read, started = disk_read(), time.monotonic()
    started_way = Started(way.command(image, programs, work), start_new_session=True, stdin=subprocess.DEVNULL)
    memory = Memory(started_way.pid)
    memory.start()
    usage = started_way.wait()
    code = usage.code
    wall = time.monotonic() - started
    memory.over.set()
    memory.join()
    archive = work / f"out{way.ending}"
    if code not in (0, 3 if way.is_ours else 0) or not archive.exists():
        raise Failed(f"ended with {code}" if code else "made no archive")
    # The processor time is that of the shell and of all that it has waited for. The kernel's own threads, as those of a
    # loop device, are nobody's.
    peak, size = max(memory.peak, usage.peak), archive.stat().st_size
    return Run(wall, usage.cpu, peak, disk_read() - read, size, processor(), archive)

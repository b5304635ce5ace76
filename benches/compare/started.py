"""Starts a program, and tells what it alone took.

A child begins with the memory of the process that forked it, and the kernel keeps that as its peak
(`ru_maxrss`) when it becomes another program. So whoever has made a disk before would find its own peak in
each figure. GNU time, a small program, starts the one that is measured: what time tells is that one's own.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass


@dataclass
class Usage:
    code: int
    # Seconds of the processor, of all processes that were waited for.
    cpu: float
    # Bytes of the largest of them.
    peak: int


class Started:
    """A program that runs."""

    def __init__(self, command, **options):
        program = shutil.which("time")
        if not program:
            raise SystemExit("memory is measured by GNU time, which is not here (Debian package time)")
        self.told = tempfile.NamedTemporaryFile(mode="r")
        words = [program, "--quiet", "--format", "%M", "--output", self.told.name, "--", *map(str, command)]
        self.process = subprocess.Popen(words, **options)
        self.pid = self.process.pid

    def wait(self):
        _, status, usage = os.wait4(self.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        # Of a program that failed, time says so in a line before.
        with self.told as told:
            kibibytes = int(told.read().split()[-1])
        return Usage(self.process.returncode, usage.ru_utime + usage.ru_stime, kibibytes * 1024)

"""The results as words."""

import os
import platform
from pathlib import Path

BEGIN, END = "<!-- benches/versus: begin -->", "<!-- benches/versus: end -->"


def yardstick(results):
    return next((result for result in results.values() if result.way.is_yardstick), None)


def ratio(result, results):
    """How many times as fast as the guide's pipeline."""
    guide = yardstick(results)
    ours = result.median("wall")
    return guide.median("wall") / ours if guide and ours and guide.median("wall") else None


def markdown(results, image):
    lines = [
        f"{preface(results, image)} `±` is half of what lies between the fastest and the slowest.",
        "",
        "| way | wall, warm | × guide | wall, cold | CPU | peak memory | read, cold | archive | needs | loses |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|---|",
    ]
    for name, result in ordered(results):
        times = ratio(result, results)
        cold, read = result.median("wall", "cold"), result.median("read", "cold")
        shown = named(name, result, results)
        lost = "?" if result.lost is None else ", ".join(result.lost) or "nothing"
        lines.append(
            f"| {shown} | {wall(result)} | {f'{times:.1f}' if times else '–'} "
            f"| {f'{cold:.1f} s' if cold else '–'} | {result.median('cpu') or result.median('cpu', 'cold'):.1f} s "
            f"| {mib(result.median('peak') or result.median('peak', 'cold'))} | {mib(read) if read else '–'} "
            f"| {mib(result.median('size') or result.median('size', 'cold'))} | {'root' if result.way.needs_root else 'read permission'} | {lost} |"
        )
    return "\n".join(lines)


def preface(results, image):
    most = max(len(result.runs["warm"]) for result in results.values())
    on = machine(set().union(*(processors(result) for result in results.values())))
    return (f"A disk image of {image.path.stat().st_size / (1 << 30):.1f} GiB with {image.used() / (1 << 30):.1f} GiB in use, {on}; "
            f"`benches/versus`, medians of {most} runs where no other number is said.")


def wall(result):
    """Its time with warm caches, and how much of that is chance."""
    seconds, runs = result.median("wall"), len(result.runs["warm"])
    if not runs:
        return "–"
    if runs == 1:
        return f"{seconds:.1f} s, one run"
    return f"{seconds:.1f} ± {result.spread('wall'):.1f} s"


def ordered(results):
    return sorted(results.items(), key=lambda item: -(item[1].median("wall") or 0))


def short(results, image):
    """What the README has."""
    lines = [preface(results, image), "", "| from the image to archive and checksum | seconds | × guide | archive | needs | loses |", "|---|--:|--:|--:|---|---|"]
    for name, result in ordered(results):
        times = ratio(result, results)
        lost = "?" if result.lost is None else ", ".join(result.lost) or "nothing"
        lines.append(
            f"| {named(name, result, results)} | {wall(result)} | {f'{times:.1f}' if times else '–'} "
            f"| {mib(result.median('size') or result.median('size', 'cold'))} | {'root' if result.way.needs_root else 'read permission'} | {lost} |")
    return "\n".join(lines)


def goals(results):
    """What was to be reached, and what was: only where both sides were run."""
    def of(name):
        return results.get(name) if results.get(name) and results[name].runs["warm"] else None

    gzip, zstd, guide = of("voltar, gzip"), of("voltar"), yardstick(results)
    full = of("mount + tar, all metadata + zstd -T2 -3")
    rootless = [result for result in results.values() if not result.way.needs_root and not result.way.is_ours and result.runs["warm"]]
    rows = []

    def faster(ours, theirs, what, least):
        if ours and theirs and theirs.runs["warm"]:
            rows.append((what, f"at least {least} times as fast", f"{theirs.median('wall') / ours.median('wall'):.2f} times"))

    def smaller(ours, theirs, what):
        if ours and theirs and theirs.runs["warm"]:
            rows.append((what, "no larger", f"{ours.median('size') / theirs.median('size'):.3f} times its length"))

    faster(gzip, guide, "voltar, gzip, against the guide's pipeline", 5.5)
    smaller(gzip, guide, "its archive against the guide's")
    faster(zstd, guide, "voltar against the guide's pipeline", 14)
    smaller(zstd, guide, "its archive against the guide's")
    faster(zstd, full, "voltar against mount + tar with all metadata + zstd -T2 -3", 1.25)
    if rootless:
        faster(zstd, min(rootless, key=lambda result: result.median("wall")), "voltar against the fastest other way that needs no root", 5)
    for ours in (gzip, zstd):
        if ours:
            rows.append((f"peak memory of {ours.way.name}, two threads", "at most 128 MiB", mib(ours.median("peak"))))
    return "\n".join(["| what | was to be | is |", "|---|---|--:|", *(f"| {' | '.join(row)} |" for row in rows)])


def mib(count):
    return f"{count / (1 << 20):,.0f} MiB"


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "an unknown processor"


def machine(processors=None):
    """The machine, and the processors that figures were taken on."""
    models = " and ".join(sorted(processors or {processor()}))
    return f"{os.cpu_count()} cores of {models}, Linux {platform.release().split('-')[0]}"


def processors(result):
    """Those that all figures of a way were taken on."""
    return {run.processor for runs in result.runs.values() for run in runs}


def named(name, result, results):
    """The name of a way, with its processor where not all ways had the same."""
    all_of_them = set().union(*(processors(other) for other in results.values()))
    shown = f"**{name}**" if result.way.is_ours else name
    return shown if len(all_of_them) < 2 else f"{shown} (on {', '.join(sorted(processors(result)))})"


def as_json(results, image):
    def rows(result):
        return {temperature: [vars(run) | {"archive": run.archive.name} for run in runs] for temperature, runs in result.runs.items()}
    return {"image": str(image.path), "machine": machine(),
            "ways": {name: {"lost": result.lost, "runs": rows(result)} for name, result in results.items()}}


def write_into(path, text, begin_mark=BEGIN, end_mark=END):
    before, begin, rest = path.read_text().partition(begin_mark)
    _, end, after = rest.partition(end_mark)
    if not begin or not end:
        raise SystemExit(f"benches/versus: {path} has no place for the results: {begin_mark} … {end_mark}")
    path.write_text(f"{before}{begin_mark}\n\n{text}\n\n{end_mark}{after}")

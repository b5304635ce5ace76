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
        f"Disk image of {image.path.stat().st_size / (1 << 30):.1f} GiB, {machine()}; `benches/versus`, medians.",
        "",
        "| way | wall, warm | × guide | wall, cold | CPU | peak memory | read, cold | archive | needs | loses |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|---|",
    ]
    for name, result in sorted(results.items(), key=lambda item: -(item[1].median("wall") or 0)):
        times = ratio(result, results)
        cold, read = result.median("wall", "cold"), result.median("read", "cold")
        shown = f"**{name}**" if result.way.is_ours else name
        lost = "?" if result.lost is None else ", ".join(result.lost) or "nothing"
        wall, spread = result.median("wall"), result.spread("wall")
        lines.append(
            f"| {shown} | {f'{wall:.1f} ± {spread:.1f} s' if wall else '–'} | {f'{times:.1f}' if times else '–'} "
            f"| {f'{cold:.1f} s' if cold else '–'} | {result.median('cpu') or result.median('cpu', 'cold'):.1f} s "
            f"| {mib(result.median('peak') or result.median('peak', 'cold'))} | {mib(read) if read else '–'} "
            f"| {mib(result.median('size') or result.median('size', 'cold'))} | {'root' if result.way.needs_root else 'read permission'} | {lost} |"
        )
    return "\n".join(lines)


def mib(count):
    return f"{count / (1 << 20):,.0f} MiB"


def machine():
    model = "an unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} cores of {model}, Linux {platform.release().split('-')[0]}"


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

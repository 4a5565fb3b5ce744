# SPDX-License-Identifier: MIT
"""What a soak measures, and whether it is flat."""
import os
import pathlib
import statistics

KEYS = ("rss_kib", "fds", "store_used", "store_size", "active", "p50_us", "p99_us", "max_us")

LIFE_ROWS_MIN = 20


def process_figures(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    rss = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return {"rss_kib": int(rss.split()[1]), "fds": len(os.listdir(f"/proc/{pid}/fd"))}


def slope(points):
    """Least squares: (x, y) pairs; 0 where there is nothing to draw a line through."""
    n = len(points)
    if n < 2:
        return 0.0
    mean_x, mean_y = (sum(p[i] for p in points) / n for i in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def growth(rows, key):
    """(mean, by how much the fitted line rises from the first row to the last)."""
    points = [(row["at_s"], row[key]) for row in rows]
    mean = sum(y for _, y in points) / len(points)
    return mean, slope(points) * (points[-1][0] - points[0][0])


def median_of_thirds(rows, key):
    """Of the first third of the rows, and of the last."""
    values = [row[key] for row in rows]
    third = max(1, len(values) // 3)
    return statistics.median(values[:third]), statistics.median(values[-third:])


def growth_in_lives(rows, key):
    """The rise per minute inside the daemon's lives, each taken from its own mean; of a life,
    its last third, as buffers and heaps fill for a minute or two, and of one that was cut short,
    nothing."""
    points = []
    for life in {row["life"] for row in rows}:
        own = [row for row in rows if row["life"] == life]
        own = own[len(own) * 2 // 3:] if len(own) >= LIFE_ROWS_MIN else []
        if not own:
            continue
        means = [sum(row[k] for row in own) / len(own) for k in ("at_s", key)]
        points += [(row["at_s"] - means[0], row[key] - means[1]) for row in own]
    return slope(points) * 60


def table(rows):
    head = f"{'at_s':>7} {'life':>4} " + " ".join(f"{key:>10}" for key in KEYS)
    return "\n".join([head] + [line(row) for row in rows])


def line(row):
    return f"{row['at_s']:7.0f} {row['life']:4d} " + " ".join(f"{row[key]:10d}" for key in KEYS)

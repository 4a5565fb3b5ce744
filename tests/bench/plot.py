# SPDX-License-Identifier: MIT
"""The results as a picture, drawn by gnuplot: a panel a case, a bar a subject with its spread."""
import math
import shutil
import subprocess

import arithmetic
import process

ROOM, BAR = 90, 26  # pixels that a panel takes, and each of its bars
COLUMNS = 2
HEAD = """\
set terminal svg size 1500,{height} font "sans-serif,12" background "white"
set output "{path}"
set multiplot layout {rows},{columns} title "{title}" noenhanced
set style fill solid 0.6
set grid xtics
set ytics noenhanced scale 0
set lmargin 36
set rmargin 4
set format x "%.10g"
unset key
"""
PANEL_HEAD = """\
set title "{title} ({unit})" noenhanced offset -12
set xrange [{least}:*]
set yrange [{bars}-0.4:-0.6]
{scale} logscale x
set xtics nomirror {tics}
$data{number} << END
{rows}
END
plot $data{number} using 2:0:({least}):2:($0-0.35):($0+0.35):ytic(1) with boxxyerror \
       lc rgb "#4477aa", \
     $data{number} using 2:0:3:4 with xerrorbars lc rgb "#222222" pt 0
"""


def quoted(text):
    return text.replace('"', "'").replace("\\", "/")


def rows_of(case):
    rows = []
    for name, figures in arithmetic.summarise(case).items():
        if figures:
            rows.append(f'"{quoted(case["subjects"][name]["title"])}" {figures["median"]} '
                        f'{figures["min"]} {figures["max"]}')
    return rows


def least_of(case):
    """Where bars begin: at 0, or where a linear axis would not show all, below the least."""
    figures = [figures for figures in arithmetic.summarise(case).values() if figures]
    medians = [of["median"] for of in figures]
    is_wide = min(medians) > 0 and max(medians) > 20 * min(medians)
    return min(of["min"] for of in figures) / 2 if is_wide else 0


def step_of(most):
    """A round number that goes into MOST three to seven times."""
    magnitude = 10 ** math.floor(math.log10(most))
    return next(n * magnitude for n in (0.2, 0.5, 1, 2) if most / (n * magnitude) < 7)


def panel(number, case, rows):
    least = least_of(case)
    most = max(figures["max"] for figures in arithmetic.summarise(case).values() if figures)
    tics = "autofreq" if least or most <= 0 else f"0,{step_of(most)}"
    return PANEL_HEAD.format(title=quoted(case["title"]), unit=case["unit"], number=number,
                             least=least, bars=len(rows), scale="set" if least else "unset",
                             tics=tics, rows="\n".join(rows))


def draw(result, path):
    """Why nothing was drawn; None if it was."""
    if not shutil.which("gnuplot"):
        return "not installed: apt install gnuplot-nox"
    panels = [(case, rows) for case in result["cases"].values() if (rows := rows_of(case))]
    if not panels:
        return "nothing was measured"
    rows = -(-len(panels) // COLUMNS)
    tallest = max(len(bars) for _, bars in panels)
    script = HEAD.format(height=(ROOM + BAR * tallest) * rows + 40, path=quoted(str(path)),
                         rows=rows, columns=COLUMNS,
                         title=quoted("usher " + (result["commit"] or "")))
    script += "".join(panel(i, *of) for i, of in enumerate(panels)) + "unset multiplot\n"
    done = subprocess.run(["gnuplot"], input=script, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=process.PATIENCE)
    return None if done.returncode == 0 else "gnuplot failed: " + done.stderr[-1000:]

# SPDX-License-Identifier: MIT
"""The results as a picture, drawn by gnuplot: a panel a case, a bar a subject with its spread."""
import shutil
import subprocess

import arithmetic
import process

PANEL = 340  # pixels high
HEAD = """\
set terminal svg size 1000,{height} font "sans-serif,12" background "white"
set output "{path}"
set multiplot layout {panels},1 title "{title}" noenhanced
set style fill solid 0.6
set boxwidth 0.7
set grid ytics
set xtics noenhanced rotate by -20 font ",10"
set lmargin 12
set rmargin 8
unset key
"""
PANEL_HEAD = """\
set title "{title} ({unit})" noenhanced
set yrange [{least}:*]
{scale} logscale y
$data{number} << END
{rows}
END
plot $data{number} using 0:2:xtic(1) with boxes lc rgb "#4477aa", \\
     $data{number} using 0:2:3:4 with yerrorbars lc rgb "#222222" pt 0
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


def is_wide(case):
    """What a linear axis would not show."""
    medians = [figures["median"] for figures in arithmetic.summarise(case).values() if figures]
    return min(medians) > 0 and max(medians) > 20 * min(medians)


def panel(number, case, rows):
    wide = is_wide(case)
    return PANEL_HEAD.format(title=quoted(case["title"]), unit=case["unit"], number=number,
                             least="*" if wide else 0, scale="set" if wide else "unset",
                             rows="\n".join(rows))


def draw(result, path):
    """Why nothing was drawn; None if it was."""
    if not shutil.which("gnuplot"):
        return "not installed: apt install gnuplot-nox"
    panels = [(case, rows) for case in result["cases"].values() if (rows := rows_of(case))]
    if not panels:
        return "nothing was measured"
    script = HEAD.format(height=PANEL * len(panels) + 40, path=quoted(str(path)),
                         panels=len(panels), title=quoted("usher " + (result["commit"] or "")))
    script += "".join(panel(i, *of) for i, of in enumerate(panels)) + "unset multiplot\n"
    done = subprocess.run(["gnuplot"], input=script, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=process.PATIENCE)
    return None if done.returncode == 0 else "gnuplot failed: " + done.stderr[-1000:]

r"""Tables in LaTeX, in the booktabs style: they need `\usepackage{booktabs}` and no other package."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

__all__ = ["latex_escaped", "latex_table"]

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        # After the end of a row these two would be taken for an argument of that end.
        "[": "{[}",
        "*": "{*}",
        "±": r"$\pm$",
        "−": "$-$",
        "×": r"$\times$",
        "–": "--",
        "“": "``",
        "”": "''",
        "†": r"\textdagger{}",
        "‡": r"\textdaggerdbl{}",
        "§": r"\S{}",
    }
    | {sign: f"\\{sign}" for sign in "&%$#_{}"}
)


def latex_table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    caption: str,
    label: str,
    bold: Collection[tuple[int, int]] = (),
    headings: Mapping[int, str] | None = None,
) -> str:
    r"""A table that floats, its first column to the left and numbers to the right.

    Args:
        head: The columns' names, in plain text, as all the other words here.
        rows: The cells.
        caption: What the table shows.
        label: What `\ref` calls it; characters other than letters, digits and `:.-` become hyphens.
        bold: Cells that stand out, as (row, column), both counted from 0.
        headings: Titles of blocks of rows, each under the place of the row that it stands above.

    Example:
        >>> print(latex_table(["Method", "H"], [["a_b", "75.83"]], caption="H.", label="h", bold={(0, 1)}))
        \begin{table}
        \centering\footnotesize\setlength{\tabcolsep}{4pt}
        \caption{H.}
        \label{tab:h}
        \begin{tabular}{lr}
        \toprule
        Method & H \\
        \midrule
        a\_b & \textbf{75.83} \\
        \bottomrule
        \end{tabular}
        \end{table}
    """
    lines = [_line(head), "\\midrule"]
    for place, row in enumerate(rows):
        if headings and place in headings:
            lines += ["\\midrule"] if place else []
            lines += [f"\\multicolumn{{{len(head)}}}{{l}}{{\\emph{{{latex_escaped(headings[place])}}}}} \\\\"]
        lines.append(_line(row, [column for column in range(len(row)) if (place, column) in bold]))
    return "\n".join(
        [
            "\\begin{table}",
            "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}",
            f"\\caption{{{latex_escaped(caption)}}}",
            f"\\label{{tab:{re.sub(r'[^A-Za-z0-9:.-]+', '-', label)}}}",
            f"\\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            "\\toprule",
            *lines,
            "\\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
        ]
    )


def _line(cells: Sequence[str], bold: Sequence[int] = ()) -> str:
    escaped = [latex_escaped(cell) for cell in cells]
    return " & ".join(f"\\textbf{{{cell}}}" if at in bold else cell for at, cell in enumerate(escaped)) + " \\\\"


def latex_escaped(text: str) -> str:
    r"""Plain text as LaTeX prints it, in text mode.

    Example:
        >>> print(latex_escaped("50% ± 1 of a_b"))
        50\% $\pm$ 1 of a\_b
    """
    return " ".join(text.split()).translate(_ESCAPES)

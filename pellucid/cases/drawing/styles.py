"""Colours, patterns and arrow heads of a drawing that stands by itself, in light and dark."""

from __future__ import annotations

DEFS = (
    '<defs><pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)">'
    '<rect width="8" height="8" fill="var(--refutes-tint)"/>'
    '<path d="M0 0V8" stroke="var(--refutes)" stroke-opacity=".3" stroke-width="1.5"/></pattern>'
    '<pattern id="dots" width="8" height="8" patternUnits="userSpaceOnUse">'
    '<rect width="8" height="8" fill="var(--inconclusive-tint)"/>'
    '<circle cx="2" cy="2" r=".8" fill="var(--inconclusive)" fill-opacity=".5"/></pattern>'
    '<marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
    'orient="auto-start-reverse"><path d="M0 1 9 5 0 9z" fill="var(--edge)"/></marker>'
    '<marker id="hollow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" '
    'orient="auto-start-reverse"><path d="M1 1 9 5 1 9z" fill="var(--sheet)" stroke="var(--edge)"/></marker>'
    '<marker id="redhead" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
    'orient="auto-start-reverse"><path d="M0 1 9 5 0 9" fill="none" stroke="var(--refutes)" '
    'stroke-width="1.8"/></marker></defs>'
)

LIGHT = (
    "--sheet:#fff;--sunk:#f7f8f8;--ink:#14181c;--ink-2:#414850;--rule-2:#b4babf;--edge:#7a828a;"
    "--supports:#0a6652;--supports-tint:#e3f1ed;--refutes:#a82c14;--refutes-tint:#fae9e5;"
    "--inconclusive:#735100;--inconclusive-tint:#f8f0dc;--stale:#62439c;--missing:#555d66"
)
DARK = (
    "--sheet:#191d20;--sunk:#14181a;--ink:#eceeee;--ink-2:#bcc2c7;--rule-2:#4b535a;--edge:#7c858d;"
    "--supports:#57c9a7;--supports-tint:#15302a;--refutes:#ff947a;--refutes-tint:#3a1f19;"
    "--inconclusive:#e3b54f;--inconclusive-tint:#322811;--stale:#bda6f0;--missing:#a3abb2"
)
STYLE = (
    "<style>"
    f"svg.gsn{{{LIGHT};background:var(--sheet);max-width:100%;height:auto}}"
    f"@media (prefers-color-scheme:dark){{svg.gsn{{{DARK}}}}}"
    ".gsn a{text-decoration:none}"
    + "".join(
        f".gsn .{state}{{--c:var(--{state})}}" for state in ("supports", "refutes", "inconclusive", "missing")
    )
    + ".gsn .shape{fill:var(--sheet);stroke:var(--c,var(--edge));stroke-width:1.6}"
    ".gsn .supports .shape{fill:var(--supports-tint)}.gsn .refutes .shape{fill:url(#hatch)}"
    ".gsn .inconclusive .shape{fill:url(#dots)}"
    ".gsn .missing .shape{fill:var(--sheet);stroke-dasharray:1.5 4;stroke-linecap:round}"
    ".gsn .aged .shape{stroke:var(--stale);stroke-width:2;stroke-dasharray:7 4}"
    ".gsn .on .shape{stroke-width:3.5}.gsn .ctx .shape{fill:var(--sunk);stroke:var(--rule-2)}"
    ".gsn .m{fill:var(--c)}.gsn .m.ring{fill:none;stroke:var(--c);stroke-width:1.6;stroke-dasharray:2.6 2.27}"
    ".gsn .m.clock{fill:var(--stale)}.gsn .cross{stroke:var(--refutes);stroke-width:1.5}"
    ".gsn text{font:12.5px system-ui,'Segoe UI',Roboto,'Helvetica Neue','Liberation Sans',Arial,sans-serif;"
    "fill:var(--ink)}"
    ".gsn .id{font-weight:600;font-size:11px;fill:var(--ink-2)}.gsn .id.w{fill:var(--c,var(--ink-2));"
    "text-anchor:end}.gsn .id.word{fill:var(--c,var(--ink-2))}"
    ".gsn .sup{stroke:var(--edge);fill:none;stroke-width:1.3;marker-end:url(#head)}"
    ".gsn .inctx{stroke:var(--edge);fill:none;stroke-width:1.2;marker-end:url(#hollow)}"
    ".gsn .chal{stroke:var(--refutes);fill:none;stroke-width:1.5;stroke-dasharray:6 4;"
    "marker-end:url(#redhead)}"
    ".gsn .edge{stroke:var(--c,var(--edge));stroke-width:1}.gsn .knot{fill:var(--edge);stroke:var(--edge);"
    "stroke-width:1.4}.gsn .knot.open{fill:var(--sheet)}"
    ".gsn .why{stroke:var(--ink);stroke-width:3;fill:none}"
    "</style>"
)

"""How the monitoring page looks, by day and by night; no font, script or picture comes from elsewhere."""

STYLE = """
:root { color-scheme: light dark;
  --page: #f6f6f3; --card: #ffffff; --ink: #1c2330; --muted: #667085; --hair: #e4e4df; --accent: #3d5fc4;
  --soft: #3d5fc426; --good: #2b7a4b; --bad: #c0362c; --bad-soft: #c0362c14; --notable: #b7791f;
  --wanted: #2b7a4b2b; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12161d; --card: #1a2029; --ink: #e7eaf0; --muted: #97a1b3; --hair: #2b3340; --accent: #8fa9ff;
  --soft: #8fa9ff2e; --good: #6fcf97; --bad: #ff8a80; --bad-soft: #ff8a801f; --notable: #f0c26b;
  --wanted: #6fcf9730; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; }
main { max-width: 1120px; margin: 0 auto; padding: 36px 24px 64px; }
header + p, section + p { margin-top: 18px; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 6px 16px; margin-bottom: 20px; }
h1 { font-size: 26px; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 18px; margin: 0 0 2px; }
h3 { font-size: 14px; margin: 0 0 8px; font-weight: 600; }
p { margin: 0 0 12px; } .muted, .note { color: var(--muted); } .note { max-width: 72ch; font-size: 14px; }
section { background: var(--card); border: 1px solid var(--hair); border-radius: 12px; padding: 22px 24px;
  margin-top: 18px; }
.status { border-radius: 99px; padding: 2px 12px; font-size: 13px; font-weight: 600; border: 1px solid currentColor; }
.status.ok { color: var(--good); } .status.alert { color: var(--bad); } .status.other { color: var(--muted); }
.alerts { border-color: var(--bad); background: linear-gradient(var(--bad-soft), var(--bad-soft)), var(--card); }
.alerts ul { margin: 6px 0 0; padding-left: 20px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 12px; margin-top: 18px; }
.tile { background: var(--card); border: 1px solid var(--hair); border-radius: 12px; padding: 14px 16px 12px; }
.tile .name { color: var(--muted); font-size: 13px; display: flex; justify-content: space-between; gap: 8px; }
.tile .value { font-size: 28px; font-weight: 600; letter-spacing: -.02em; line-height: 1.25; }
.tile .value small { font-size: 13px; font-weight: 400; color: var(--muted); letter-spacing: 0; }
.tile .foot { font-size: 12px; color: var(--muted); }
.tile svg { margin: 4px 0 2px; }
.good { color: var(--good); } .bad { color: var(--bad); } .notable { color: var(--notable); }
.pair { display: grid; grid-template-columns: minmax(300px, 450px) 1fr; gap: 28px; align-items: center; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(290px, 1fr)); gap: 18px 26px; margin-top: 14px; }
dl { display: grid; grid-template-columns: 1fr auto; gap: 8px 18px; margin: 0; }
dt { color: var(--muted); } dd { margin: 0; white-space: nowrap; }
svg { display: block; width: 100%; height: auto; }
svg text { font-size: 11.5px; fill: var(--muted); }
svg .axis { font-size: 13px; }
svg .label { font-size: 12.5px; fill: var(--ink); }
svg .middle { text-anchor: middle; } svg .end { text-anchor: end; }
.grid { stroke: var(--hair); }
.band { fill: var(--wanted); }
.diagonal { stroke: var(--good); stroke-dasharray: 5 5; }
.dot { fill: var(--accent); stroke: var(--card); stroke-width: 1.2; }
.whisker { stroke: var(--accent); stroke-width: 1.6; }
.whisker.thick { stroke-width: 3; opacity: .55; stroke-linecap: round; }
.rule { stroke: var(--hair); stroke-width: 1.5; }
.wanted { fill: var(--wanted); }
.spread { fill: var(--soft); }
.line { fill: none; stroke: var(--accent); stroke-width: 2; }
.target { stroke: var(--good); stroke-dasharray: 4 4; } .bar { fill: var(--accent); opacity: .55; }
.bar.notable { fill: var(--notable); opacity: .9; } .bar.bad { fill: var(--bad); opacity: .9; }
.chance { stroke: var(--ink); stroke-width: 2; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; font-weight: 500; color: var(--muted); padding: 6px 12px 6px 0;
  border-bottom: 1px solid var(--hair); }
td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--hair); vertical-align: middle; }
tr.first td { padding-top: 14px; font-weight: 600; border-bottom: 0; }
td.n, th.n { text-align: right; padding-right: 20px; }
td svg { width: 150px; display: inline-block; vertical-align: middle; }
td .muted { font-size: 12px; } .figure { white-space: nowrap; } .scroll { overflow-x: auto; }
.mistake { border-top: 1px solid var(--hair); padding: 10px 0; } .mistake b { font-size: 17px; margin-right: 6px; }
.mistake ul { margin: 4px 0 0; padding-left: 18px; } .mistake code { font-size: 12.5px; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--accent); margin-top: 10px; }
footer { color: var(--muted); font-size: 13px; margin-top: 22px; }
@media (max-width: 760px) { .pair { grid-template-columns: 1fr; }
main { padding: 20px 12px 40px; }
section { padding: 16px; } }
"""

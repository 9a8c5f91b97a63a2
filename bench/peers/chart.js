// Bars of ours / peer, the number on each; text and grid take the reader's light or dark mode.
const TOWERS = { image: 'ViT-B/32 image', text: 'ViT-B/32, 1000 labels', small: 'EfficientNet-Lite0 image' };
const ROW = 26;
const LEFT = 330;
const WIDTH = 760;

/** @param {{ cpu: string, processors: number, node: string, results: any[] }} report @returns {string} an SVG document */
export function barChart(report) {
  const rows = report.results.filter((row) => Number.isFinite(row.ratio));
  const most = Math.max(1.1, ...rows.map((row) => row.ratio));
  const x = (ratio) => LEFT + (ratio / most) * (WIDTH - LEFT - 60);
  const height = 56 + rows.length * ROW + 30;
  const bars = rows.map((row, i) => {
    const y = 48 + i * ROW;
    const [tower, precision, threads] = row.task.split('/');
    const label = `${TOWERS[tower]}, ${precision}, ${threads} thread${threads === '1' ? '' : 's'}`;
    const end = x(row.ratio);
    return `  <text x="${LEFT - 8}" y="${y + 14}" text-anchor="end">${label}</text>
  <rect class="${row.engine}" x="${LEFT}" y="${y}" width="${(end - LEFT).toFixed(1)}" height="18" rx="2"/>
  <text x="${(end + 6).toFixed(1)}" y="${y + 14}">${row.ratio.toFixed(2)}</text>`;
  });
  const one = x(1).toFixed(1);
  const versions = new Map(rows.map((row) => [row.engine, row.version]));
  const legend = [...versions].map(
    ([engine, version], i) => `  <rect class="${engine}" x="${LEFT + i * 190}" y="22" width="12" height="12" rx="2"/>
  <text x="${LEFT + i * 190 + 18}" y="32">${xml(version)}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Time of edgeclip divided by the time of its peers; less is better">
  <style>
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .web { fill: #2f81f7 } .node { fill: #b0762b } line { stroke: #6e7781 }
    @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .web { fill: #58a6ff } .node { fill: #d29922 } }
  </style>
  <text x="8" y="32">edgeclip's time / peer's time, less is better</text>
${legend.join('\n')}
${bars.join('\n')}
  <line x1="${one}" x2="${one}" y1="42" y2="${height - 30}" stroke-dasharray="4 3"/>
  <text x="8" y="${height - 10}">${xml(`${report.cpu}, ${report.processors} cores, Node ${report.node}`)}</text>
</svg>
`;
}

function xml(text) {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}

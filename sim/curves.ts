/** Curves as one self-contained SVG: a column of panels, each with lines over one axis. */
type Curve = { label: string; points: readonly (readonly [x: number, y: number])[] };
export type CurvePanel = {
  title: string;
  xAxis: string;
  yAxis: string;
  curves: Curve[];
  /** Values above are cut off at the upper edge. */
  maxY?: number;
  /** Places the x values at equal distances, for multiples that double. */
  isOrdinal?: boolean;
};

const width = 920;
const left = 80;
const plotWidth = 560;
const plotHeight = 250;
const palette = ['#2563eb', '#64748b', '#d97706', '#dc2626'];

const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const text = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escapeText(content)}</text>`;

/** A round step that gives about five ticks. */
const tickStep = (max: number): number => {
  const power = 10 ** Math.floor(Math.log10(max / 5));
  return ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= max / 5) ?? 10) * power;
};

const drawPanel = (panel: CurvePanel, top: number): string => {
  const points = panel.curves.flatMap((curve) => curve.points);
  const xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
  const [firstX = 0, lastX = 1] = [xs[0], xs.at(-1)];
  const maxY = panel.maxY ?? Math.max(...points.map(([, y]) => y)) * 1.05;
  const bottom = top + 24 + plotHeight;
  const across = (x: number): number =>
    panel.isOrdinal ? xs.indexOf(x) / (xs.length - 1) : (x - firstX) / (lastX - firstX);
  const atX = (x: number): number => left + plotWidth * across(x);
  const atY = (y: number): number => bottom - plotHeight * Math.min(1, y / maxY);

  const parts = [text(left, top + 6, panel.title, 'class="title"')];
  for (let y = 0; y <= maxY; y += tickStep(maxY)) {
    const at = atY(y).toFixed(1);
    parts.push(`<line x1="${left}" x2="${left + plotWidth}" y1="${at}" y2="${at}" class="grid"/>`);
    parts.push(
      text(
        left - 8,
        atY(y) + 4,
        String(Number(y.toPrecision(3))),
        'class="tick" text-anchor="end"',
      ),
    );
  }
  for (const x of xs)
    parts.push(text(atX(x), bottom + 18, String(x), 'class="tick" text-anchor="middle"'));
  parts.push(
    text(left + plotWidth / 2, bottom + 38, panel.xAxis, 'class="axis" text-anchor="middle"'),
  );
  parts.push(
    text(
      0,
      0,
      panel.yAxis,
      `class="axis" text-anchor="middle" transform="translate(24 ${bottom - plotHeight / 2}) rotate(-90)"`,
    ),
  );
  for (const [i, curve] of panel.curves.entries()) {
    const colour = palette[i % palette.length];
    const line = curve.points.map(([x, y]) => `${atX(x).toFixed(1)},${atY(y).toFixed(1)}`);
    parts.push(
      `<polyline points="${line.join(' ')}" fill="none" stroke="${colour}" stroke-width="2.5"/>`,
    );
    for (const at of line) {
      const [x, y] = at.split(',');
      parts.push(`<circle cx="${x}" cy="${y}" r="3.5" fill="${colour}"/>`);
    }
    const legendY = top + 40 + i * 22;
    parts.push(
      `<rect x="${left + plotWidth + 24}" y="${legendY - 8}" width="18" height="4" fill="${colour}"/>`,
    );
    parts.push(text(left + plotWidth + 50, legendY, curve.label, 'class="label"'));
  }
  return parts.join('\n');
};

const style = `
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1e293b }
.heading { font-size: 20px; font-weight: 700 } .sub { font-size: 12.5px; fill: #64748b }
.title { font-size: 15px; font-weight: 600 } .label { font-size: 13px }
.tick { font-size: 12px; fill: #64748b } .axis { font-size: 12.5px; fill: #475569 }
.grid { stroke: #e2e8f0 }`;

export const drawCurves = (chart: {
  heading: string;
  notes: string[];
  panels: CurvePanel[];
}): string => {
  const top = 84 + chart.notes.length * 17;
  const panelHeight = plotHeight + 100;
  const height = top + chart.panels.length * panelHeight;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escapeText(chart.heading)}</title><style>${style}</style>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(24, 36, chart.heading, 'class="heading"'),
    ...chart.notes.map((note, i) => text(24, 58 + i * 17, note, 'class="sub"')),
    ...chart.panels.map((panel, i) => drawPanel(panel, top + i * panelHeight)),
    '</svg>\n',
  ].join('\n');
};

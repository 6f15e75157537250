/**
 * Charts as one self-contained SVG: a column of panels with horizontal bars, each bar with its
 * value, its interval and the promise it is held against. Bars may be stacked. No script, no font.
 */
export type Bar = {
  label: string;
  /** One value, or the parts of a stack in the order of the panel's `parts`. */
  values: number[];
  interval?: { low: number; high: number };
  /** Instead of the plain sum at the end of the bar. */
  note?: string;
};
export type Panel = {
  title: string;
  /** Says what is on the axis, with its unit. */
  axis: string;
  bars: Bar[];
  /** Names of the parts of a stack. */
  parts?: string[];
  /** Vertical lines. */
  targets?: { value: number; label: string }[];
  /** Bars below it are drawn in warning colour; `most`: above it. */
  limit?: { least?: number; most?: number };
};

export const width = 920;
export const left = 210;
export const right = 130;
const barHeight = 22;
const barGap = 12;
export const plotWidth = width - left - right;
export const palette = [
  '#2563eb',
  '#0d9488',
  '#d97706',
  '#9333ea',
  '#64748b',
  '#db2777',
  '#65a30d',
];
export const warning = '#dc2626';

const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export const text = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escapeText(content)}</text>`;

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** A round step that gives four to eight ticks. */
export const tickStep = (max: number): number => {
  const raw = max / 6;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw) ?? 10;
  return step * power;
};

export const formatNumber = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));

const drawAxis = (
  panel: Panel,
  x: (v: number) => number,
  top: number,
  bottom: number,
  max: number,
) => {
  const step = tickStep(max);
  const ticks: string[] = [];
  for (let value = 0; value <= max * 1.0001; value += step) {
    const at = x(value).toFixed(1);
    ticks.push(`<line x1="${at}" x2="${at}" y1="${top}" y2="${bottom}" class="grid"/>`);
    ticks.push(
      text(x(value), bottom + 16, formatNumber(value), 'class="tick" text-anchor="middle"'),
    );
  }
  ticks.push(
    text(left + plotWidth / 2, bottom + 36, panel.axis, 'class="axis" text-anchor="middle"'),
  );
  return ticks.join('\n');
};

const drawTargets = (panel: Panel, x: (v: number) => number, top: number, bottom: number) =>
  (panel.targets ?? [])
    .map(({ value, label }) => {
      const at = x(value).toFixed(1);
      return (
        `<line x1="${at}" x2="${at}" y1="${top - 4}" y2="${bottom}" class="target"/>` +
        text(x(value), top - 8, label, 'class="target-label" text-anchor="middle"')
      );
    })
    .join('\n');

const drawInterval = (bar: Bar, x: (v: number) => number, middle: number): string => {
  if (bar.interval === undefined) return '';
  const [low, high] = [x(bar.interval.low).toFixed(1), x(bar.interval.high).toFixed(1)];
  const cap = (at: string) => `<line x1="${at}" x2="${at}" y1="${middle - 5}" y2="${middle + 5}"/>`;
  return `<g class="interval"><line x1="${low}" x2="${high}" y1="${middle}" y2="${middle}"/>${cap(low)}${cap(high)}</g>`;
};

const isOutside = (total: number, limit: Panel['limit']): boolean =>
  total < (limit?.least ?? Number.NEGATIVE_INFINITY) ||
  total > (limit?.most ?? Number.POSITIVE_INFINITY);

const drawBar = (panel: Panel, bar: Bar, x: (v: number) => number, top: number): string => {
  const total = sum(bar.values);
  const middle = top + barHeight / 2;
  let from = 0;
  const parts = bar.values.map((value, i) => {
    const colour = isOutside(total, panel.limit) ? warning : palette[i % palette.length];
    const [start, end] = [x(from), x(from + value)];
    from += value;
    const size = `width="${Math.max(0, end - start).toFixed(1)}" height="${barHeight}"`;
    return `<rect x="${start.toFixed(1)}" y="${top}" ${size} fill="${colour}"/>`;
  });
  const end = Math.max(x(total), x(bar.interval?.high ?? 0)) + 8;
  return [
    text(left - 10, middle + 4, bar.label, 'class="label" text-anchor="end"'),
    ...parts,
    drawInterval(bar, x, middle),
    text(end, middle + 4, bar.note ?? formatNumber(total), 'class="value"'),
  ].join('\n');
};

const drawLegend = (panel: Panel, top: number): string => {
  let at = left;
  return (panel.parts ?? [])
    .map((name, i) => {
      const x = at;
      at += 26 + name.length * 7;
      const colour = palette[i % palette.length];
      return `<rect x="${x}" y="${top - 9}" width="11" height="11" fill="${colour}"/>${text(x + 16, top, name, 'class="tick"')}`;
    })
    .join('\n');
};

const drawPanel = (panel: Panel, top: number): { svg: string; bottom: number } => {
  const totals = panel.bars.flatMap((bar) => [sum(bar.values), bar.interval?.high ?? 0]);
  const max = Math.max(...totals, ...(panel.targets ?? []).map(({ value }) => value), 1e-9) * 1.02;
  const x = (value: number) => left + (value / max) * plotWidth;
  const hasLegend = panel.parts !== undefined;
  const plotTop = top + 32 + (hasLegend ? 22 : 0) + (panel.targets ? 16 : 0);
  const bottom = plotTop + panel.bars.length * (barHeight + barGap) + barGap / 2;
  const bars = panel.bars.map((bar, i) =>
    drawBar(panel, bar, x, plotTop + barGap / 2 + i * (barHeight + barGap)),
  );
  const svg = [
    text(24, top + 14, panel.title, 'class="title"'),
    hasLegend ? drawLegend(panel, top + 38) : '',
    drawAxis(panel, x, plotTop, bottom, max),
    ...bars,
    drawTargets(panel, x, plotTop, bottom),
  ];
  return { svg: svg.join('\n'), bottom: bottom + 62 };
};

const style = `
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1e293b }
.heading { font-size: 20px; font-weight: 700 } .sub { font-size: 12.5px; fill: #64748b }
.title { font-size: 15px; font-weight: 600 } .label, .value { font-size: 13px }
.value { font-weight: 600 } .tick { font-size: 12px; fill: #64748b } .axis { font-size: 12.5px; fill: #475569 }
.grid { stroke: #e2e8f0 } .target { stroke: #0f172a; stroke-width: 1.5; stroke-dasharray: 5 3 }
.line { fill: none; stroke-width: 1.8 } .target-label { font-size: 11.5px; fill: #0f172a } .interval line { stroke: #0f172a; stroke-width: 1.5 }`;

/** A panel of another kind draws itself from `top` on (chart-lines.ts). */
export type Drawn = (top: number) => { svg: string; bottom: number };

export const drawChart = (chart: {
  heading: string;
  notes: string[];
  panels: (Panel | Drawn)[];
}): string => {
  let top = 62 + chart.notes.length * 17;
  const parts = chart.panels.map((panel) => {
    const { svg, bottom } = typeof panel === 'function' ? panel(top) : drawPanel(panel, top);
    top = bottom;
    return svg;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" width="${width}" height="${top}" role="img">`,
    `<title>${escapeText(chart.heading)}</title><style>${style}</style>`,
    `<rect width="${width}" height="${top}" fill="#ffffff"/>`,
    text(24, 36, chart.heading, 'class="heading"'),
    ...chart.notes.map((note, i) => text(24, 58 + i * 17, note, 'class="sub"')),
    ...parts,
    '</svg>\n',
  ].join('\n');
};

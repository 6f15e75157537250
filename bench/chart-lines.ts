/** A panel of lines over time, with marks for what happened; drawn below or above those with bars. */
import {
  type Drawn,
  formatNumber,
  left,
  palette,
  plotWidth,
  text,
  tickStep,
  warning,
} from './chart.js';

type Point = { x: number; y: number };
export type Lines = {
  title: string;
  /** Says what the values are, with their unit. */
  axis: string;
  /** Points with a value that is no number interrupt their line. */
  lines: { name: string; points: Point[] }[];
  marks?: { x: number; label: string }[];
  /** Of the horizontal axis, where it is not seconds. */
  unit?: string;
};

const height = 170;

const range = (max: number): number[] => {
  const step = tickStep(max);
  return Array.from({ length: Math.floor(max / step + 1e-6) + 1 }, (_, i) => i * step);
};

const pathOf = (points: readonly Point[], x: (v: number) => number, y: (v: number) => number) => {
  let isDrawing = false;
  return points
    .map((point) => {
      const isPoint = Number.isFinite(point.y);
      const step = isDrawing ? 'L' : 'M';
      isDrawing = isPoint;
      return isPoint ? `${step}${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}` : '';
    })
    .join('');
};

const drawGrid = (
  size: { maxX: number; maxY: number },
  x: (v: number) => number,
  y: (v: number) => number,
): string[] => {
  const bottom = y(0);
  const across = range(size.maxY).map((value) => {
    const at = y(value).toFixed(1);
    const label = text(
      left - 8,
      y(value) + 4,
      formatNumber(value),
      'class="tick" text-anchor="end"',
    );
    return `<line x1="${left}" x2="${left + plotWidth}" y1="${at}" y2="${at}" class="grid"/>${label}`;
  });
  const below = range(size.maxX).map((value) =>
    text(x(value), bottom + 16, formatNumber(value), 'class="tick" text-anchor="middle"'),
  );
  return [...across, ...below];
};

const drawMarks = (panel: Lines, x: (v: number) => number, top: number, bottom: number) =>
  (panel.marks ?? []).map(({ x: at, label }, i) => {
    const px = x(at).toFixed(1);
    const row = top + 10 + (i % 3) * 13;
    return (
      `<line x1="${px}" x2="${px}" y1="${top}" y2="${bottom}" class="target" stroke="${warning}"/>` +
      text(x(at) + 4, row, label, 'class="target-label"')
    );
  });

const drawNames = (panel: Lines, top: number): string[] =>
  panel.lines.map(({ name }, i) => {
    const at = left + plotWidth + 12;
    const colour = palette[i % palette.length] ?? '';
    const y = top + 12 + i * 18;
    return `<rect x="${at}" y="${y - 9}" width="11" height="11" fill="${colour}"/>${text(at + 16, y, name, 'class="tick"')}`;
  });

export const linePanel =
  (panel: Lines): Drawn =>
  (top) => {
    const points = panel.lines.flatMap((line) => line.points);
    const finite = points.filter((point) => Number.isFinite(point.y));
    const maxX = Math.max(...points.map((point) => point.x), 1e-9);
    const maxY = Math.max(...finite.map((point) => point.y), 1e-9) * 1.05;
    const plotTop = top + 40;
    const bottom = plotTop + height;
    const x = (value: number) => left + (value / maxX) * plotWidth;
    const y = (value: number) => bottom - (value / maxY) * height;
    const lines = panel.lines.map(
      (line, i) =>
        `<path d="${pathOf(line.points, x, y)}" class="line" stroke="${palette[i % palette.length]}"/>`,
    );
    const svg = [
      text(24, top + 14, panel.title, 'class="title"'),
      text(left, plotTop - 10, panel.axis, 'class="axis"'),
      ...drawGrid({ maxX, maxY }, x, y),
      ...drawMarks(panel, x, plotTop, bottom),
      ...lines,
      ...drawNames(panel, plotTop),
      text(
        left + plotWidth / 2,
        bottom + 34,
        panel.unit ?? 'seconds',
        'class="axis" text-anchor="middle"',
      ),
    ];
    return { svg: svg.join('\n'), bottom: bottom + 60 };
  };

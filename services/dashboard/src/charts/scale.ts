/** Round marks of an axis that hold all values: 0, 20, 40 … */
export function ticks(low: number, high: number, about = 3): number[] {
  const wide = high - low || Math.abs(high) || 1;
  const rough = wide / Math.max(1, about);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999) ?? 10 * power;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: Math.max(1, last - first) + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** The path of a line; where a value lacks it is broken, and a value alone between two such is a dot. */
export function path(points: readonly (readonly [number, number | null])[]): string {
  let d = "";
  points.forEach(([x, y], i) => {
    if (y === null) return;
    const joined = i > 0 && points[i - 1]![1] !== null;
    d += `${joined ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`;
    if (!joined && (points[i + 1]?.[1] ?? null) === null) d += "h0";
  });
  return d;
}

/** Which of n places get a name when there is room for so many, the last one always. */
export function named(n: number, room: number): Set<number> {
  const step = Math.max(1, Math.ceil(n / Math.max(1, room)));
  const at = new Set<number>();
  for (let i = n - 1; i >= 0; i -= step) at.add(i);
  return at;
}

// Measured values, shares and counts as text.

const counts = new Intl.NumberFormat('en');

/** `5,000`. */
export function count(value: number): string {
  return counts.format(value);
}

/** One decimal below 100, none above, and three digits of what is small; a dash where there is no value. */
export function measure(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  const size = Math.abs(value);
  if (size >= 99.95) return counts.format(Math.round(value));
  if (size >= 0.95 || size === 0) return value.toFixed(1);
  return value.toPrecision(2).replace(/\.?0+$/, '');
}

/** With its unit: `63.1 %`. */
export function withUnit(value: number | null | undefined, unit: string): string {
  return value === null || value === undefined || unit === '' ? measure(value) : `${measure(value)} ${unit}`;
}

/** A threshold as it was set: `80 %`. */
export function limit(value: number, unit: string): string {
  const text = counts.format(Number(value.toPrecision(4)));
  return unit === '' ? text : `${text} ${unit}`;
}

/** A loss: differences in the second decimal matter. */
export function loss(value: number | null): string {
  return value === null ? '–' : value.toFixed(2);
}

/** `78 %` of 0.78. */
export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? '–' : `${Math.round(share * 100)} %`;
}

/** `0.98` as `98 %`, `0.025` as `2.5 %`. */
export function quantileName(quantile: number): string {
  return `${Number((quantile * 100).toFixed(2))} %`;
}

/** `1.2 GB`. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let size = value;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${
    unit === 0
      ? size
      : size
          .toPrecision(3)
          .replace(/(\.\d*?)0+$/, '$1')
          .replace(/\.$/, '')
  } ${units[unit]}`;
}

/** How much better than another pinball loss, in per cent of it; undefined if it cannot be computed. */
export function skill(pinball: number | null, naive: number | null): number | undefined {
  if (pinball === null || naive === null || naive === 0) return undefined;
  return (1 - pinball / naive) * 100;
}

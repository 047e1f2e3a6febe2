// A row as tables have it, all columns side by side, made a row as `FleetHistory.add` takes it.
import type { HistoryRow } from './row.js';
import type { HistoryModel } from './windows.js';

/**
 * `{ timestamp, server_name, cpu_user_pct: 12, … }` becomes `{ timestamp, server_name, metrics: { cpu_user_pct: 12, … } }`.
 * What has `metrics` already stays, and so does what is wrong: `add` says what.
 */
export function unflattened(row: unknown, model: HistoryModel): HistoryRow {
  if (typeof row !== 'object' || row === null || Array.isArray(row) || 'metrics' in row)
    return row as HistoryRow;
  const metrics: Record<string, unknown> = {};
  const categories: Record<string, unknown> = {};
  const rest: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(row)) {
    if (model.metrics.some((metric) => metric.name === name)) metrics[name] = value;
    else if (model.categories.some((category) => category.name === name)) categories[name] = value;
    else rest[name] = value;
  }
  return { ...rest, categories, metrics } as unknown as HistoryRow;
}

// What a replay reads: a history file, or what a daemon stored. Both become rows of a FleetHistory.
import { statSync } from 'node:fs';
import { TFTError } from '../../contract/errors.js';
import { valuesByCode } from '../../history/category-codes.js';
import { FleetHistory, type ReadHistoryOptions, readHistory } from '../../history/index.js';
import type { FleetModel } from '../memory/shape.js';
import type { FleetArchive } from '../store/store.js';

const MINUTE = 60_000;
/** The number of steps between two chances for the reader to wait and to show progress. */
const PIECE = 64;

/**
 * Reads a history file, or the folder in which a daemon keeps its history (`data`). The daemon may be running: its history is
 * opened for reading only.
 *
 * @throws TFTError what `readHistory` throws; for a folder ERR_TFT_FILE if it has no history, ERR_TFT_OPTION for the history of a
 *   model with other metrics, categories or steps, or with a column map.
 */
export async function readSource(
  source: string,
  model: FleetModel,
  options: ReadHistoryOptions,
): Promise<FleetHistory> {
  if (!statSync(source, { throwIfNoEntry: false })?.isDirectory())
    return await readHistory(source, model, options);
  if (options.map !== undefined)
    throw new TFTError(
      'ERR_TFT_OPTION',
      `map: ${source} is a daemon's folder, whose metrics are the model's`,
    );
  // Loaded here, because most programs never need it.
  const { LmdbStore } = await import('../store/lmdb-store.js');
  const store = new LmdbStore({ path: source, model, horizons: [], flush: false, readOnly: true });
  try {
    const history = new FleetHistory(model, options);
    await addStored(store, history, model, options);
    history.finish();
    return history;
  } finally {
    await store.close();
  }
}

async function addStored(
  store: FleetArchive & { readonly bytes: number },
  history: FleetHistory,
  model: FleetModel,
  { servers, onPiece, onProgress }: ReadHistoryOptions,
): Promise<void> {
  const { range, bytes } = store;
  if (range === undefined) return;
  const wanted = servers === undefined ? undefined : new Set(servers);
  const names = model.categories.map(valuesByCode);
  const width = model.metrics.length;
  const categories: (string | undefined)[] = [];
  for (let step = range.oldest; step <= range.newest; step++) {
    const stored = store.readStep(step);
    for (let place = 0; stored !== undefined && place * width < stored.values.length; place++) {
      const name = store.servers[place]?.name ?? '';
      if (name === '' || wanted?.has(name) === false) continue;
      const values = stored.values.subarray(place * width, (place + 1) * width);
      if (values.every(Number.isNaN)) continue;
      for (const [index, named] of names.entries())
        categories[index] = named.get(stored.codes[place * names.length + index] as number);
      history.record(name, step * model.stepMinutes * MINUTE, values, categories);
    }
    if ((step - range.oldest) % PIECE !== 0) continue;
    onProgress?.((bytes * (step - range.oldest)) / (range.newest - range.oldest + 1), bytes);
    await onPiece?.();
  }
}

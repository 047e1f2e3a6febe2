// Windows of the recorded test machines at several times, like the requests of a fleet's clients. If the recording is missing,
// the bundle's samples are used, and the report says so.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  type ForecastInputs,
  loadColumnMap,
  loadModel,
  readHistory,
  sliceInputs,
} from '../../../src/index.js';
import { Samples } from '../../harness.js';

const FILE = 'bitbrains-2013-08-test.csv.gz';
/** Ends of the histories; each gives a window for every machine that was recorded until then. */
const TIMES = ['2013-08-12T09:00Z', '2013-08-15T14:30Z', '2013-08-21T18:00Z', '2013-08-27T11:15Z'];

/** Windows to replay. */
export interface Replay {
  readonly model: Awaited<ReturnType<typeof loadModel>>;
  /** The source of the windows, for the report. */
  readonly source: string;
  readonly windows: number;
  /** `count` different batches of `size` series, taken from the windows one after another. */
  batches(size: number, count: number): ForecastInputs[];
}

/** @param bundle the model's folder; for the recording its tensors must be the demo's. */
export async function loadReplay(bundle: string): Promise<Replay> {
  const folder = process.env.TFT_DATA ?? resolve(process.cwd(), '../shared/data');
  const path = join(folder, FILE);
  const model = await loadModel(bundle);
  if (!existsSync(path)) {
    const { samples } = await Samples.load(bundle);
    const windows = model.samples?.count ?? 0;
    return replay(model, samples.batch(windows), windows, `the bundle's samples (${path} is absent)`);
  }
  const map = await loadColumnMap(join(process.cwd(), 'maps/bitbrains.json'));
  const parts: ForecastInputs[] = [];
  for (const until of TIMES) {
    const history = await readHistory(path, model, { map, until });
    parts.push(...history.windows({ at: until }).servers.map(({ inputs }) => inputs));
  }
  const source = `${FILE}, ${parts.length} windows at ${TIMES.length} times`;
  return replay(model, joined(parts), parts.length, source);
}

function replay(model: Replay['model'], all: ForecastInputs, windows: number, source: string): Replay {
  return {
    model,
    source,
    windows,
    batches: (size, count) =>
      Array.from({ length: count }, (_, index) =>
        joined(
          Array.from({ length: size }, (_, server) => {
            const window = (index * size + server) % windows;
            return sliceInputs(all, model, window, window + 1);
          }),
        ),
      ),
  };
}

function joined(parts: readonly ForecastInputs[]): ForecastInputs {
  const floats = (key: 'encoderCont' | 'decoderCont') =>
    Float32Array.from(parts.flatMap((part) => [...part[key]]));
  const codes = (key: 'encoderCat' | 'decoderCat') =>
    Int32Array.from(parts.flatMap((part) => [...part[key]]));
  return {
    encoderCont: floats('encoderCont'),
    encoderCat: codes('encoderCat'),
    decoderCont: floats('decoderCont'),
    decoderCat: codes('decoderCat'),
  };
}

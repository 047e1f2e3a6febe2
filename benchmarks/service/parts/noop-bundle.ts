// A bundle with the demo's tensors whose model does nothing, so that only the cost of serving is measured.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Makes it in a temporary folder; call `remove` afterwards. */
export function noopBundle(): { readonly folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'tft-noop-'));
  const { samples: _samples, ...model } = JSON.parse(
    readFileSync(join(process.cwd(), 'models/demo/model.json'), 'utf8'),
  ) as Record<string, unknown>;
  const onnx = readFileSync(join(process.cwd(), 'benchmarks/noop/model.onnx'));
  const sha256 = createHash('sha256').update(onnx).digest('hex');
  const files = { onnx: { path: 'model.onnx', bytes: onnx.length, sha256 } };
  writeFileSync(join(folder, 'model.onnx'), onnx);
  writeFileSync(join(folder, 'model.json'), JSON.stringify({ ...model, files }));
  return { folder, remove: () => rmSync(folder, { recursive: true }) };
}

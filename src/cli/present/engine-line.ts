// Describes an engine in a few words: 'onnxruntime 1.30.0 (fp32, 2 threads): CPU'.
import type { EngineInfo } from '../../index.js';

export function describeEngine(info: EngineInfo): string {
  const version = info.versions[info.backend];
  const worker = info.backend === 'tensorrt' ? 'lane' : 'thread';
  const threads = `${info.threads} ${worker}${info.threads === 1 ? '' : 's'}`;
  const kernels = info.kernels ? `, kernels for ${info.kernels.instructions}` : '';
  return `${info.backend}${version === undefined ? '' : ` ${version}`} (${info.precision}, ${threads}${kernels}), ${info.device}`;
}

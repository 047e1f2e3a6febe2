// LibTorch's row in the table of backends: runs the TorchScript modules that the exporter writes, on the CPU or a GPU.
import { join } from 'node:path';
import { verifyBundleFile } from '../../contract/model.js';
import type { LoadRequest } from '../load-request.js';
import type { NativeBackend } from '../native-backend.js';
import type { BackendRow } from '../row.js';
import { isLibTorchAtHand, loadModule, refuseOtherPrecisions } from './backend.js';

export const libTorchRow: BackendRow = {
  canRun(request) {
    const { located, model } = request;
    if (moduleOf(request) !== undefined) return undefined;
    if (located.kind === 'bundle') {
      return (
        `${model.directory} has no TorchScript module, which LibTorch needs; 'tft-export export --torchscript' writes it ` +
        'beside the ONNX file'
      );
    }
    return `${located.path} is not a TorchScript module, which LibTorch needs; load its folder, if that has one`;
  },

  async load(request) {
    refuseOtherPrecisions(request);
    return run(request);
  },

  // After ONNX Runtime: for a bundle only where that is missing.
  async atHand(request) {
    const { located, libtorch } = request;
    if (located.kind !== 'torchscript' && !isLibTorchAtHand(libtorch?.library)) return [];
    return [
      {
        failure: 'LibTorch cannot run the module',
        why: (reasons) =>
          located.kind === 'torchscript'
            ? 'a TorchScript module runs on LibTorch only'
            : [...reasons, 'LibTorch runs the TorchScript module'].join('; '),
        load: () => run(request),
      },
    ];
  },
};

/** The module that was asked for, else the bundle's. */
function moduleOf({ located, model }: LoadRequest): string | undefined {
  if (located.kind === 'torchscript') return located.path;
  const { torchscript } = model.files;
  return located.kind === 'bundle' && torchscript ? join(model.directory, torchscript.path) : undefined;
}

async function run(request: LoadRequest): Promise<NativeBackend> {
  const { model, located, verifyHash } = request;
  // Of a module that is named, loading the model has compared the hash.
  if (verifyHash && located.kind === 'bundle' && model.files.torchscript)
    await verifyBundleFile(model, model.files.torchscript);
  return loadModule(moduleOf(request) as string, request);
}

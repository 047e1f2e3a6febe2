// A request to load a model: what was found at the path, and the caller's options. It reaches the builder unchanged.
import type { EngineRequest } from '../builder/engine-request.js';
import type { Contract } from '../contract/inputs.js';
import type { Located, RemoteAddress } from '../contract/locate.js';
import type { ModelDescription } from '../contract/model.js';
import type { BackendName } from '../contract/names.js';
import type { NativeLoadOptions } from '../native/addon.js';

/** How TensorRT is found and used; see LoadOptions.tensorrt. */
export type TensorRtOptions = Partial<
  Pick<
    NativeLoadOptions,
    'cudaPath' | 'tensorrtPath' | 'devices' | 'lanes' | 'splitFrom' | 'cudaGraphs' | 'poll' | 'allowHostCode'
  >
>;

/** How ONNX Runtime is found and used; see LoadOptions.onnxruntime. */
export interface OnnxRuntimeOptions {
  readonly native?: boolean | undefined;
  readonly kernels?: boolean | undefined;
  readonly library?: string | undefined;
}

/** How LibTorch is found and used; see LoadOptions.libtorch. */
export interface LibTorchOptions {
  readonly library?: string | undefined;
  readonly device?: string | undefined;
  readonly threads?: number | undefined;
}

/** How a remote server is used; see LoadOptions.remote. */
export interface RemoteOptions {
  readonly apiKey?: string | undefined;
  readonly ca?: string | Buffer | undefined;
  readonly timeoutMs?: number | undefined;
  readonly connections?: number | undefined;
}

/** See LoadOptions for what the caller asks for. */
export interface LoadRequest extends EngineRequest {
  readonly located: Located;
  /** The server's addresses, if the model runs there; `located` is then what describes it. */
  readonly address?: RemoteAddress | undefined;
  readonly remote?: RemoteOptions | undefined;
  readonly model: ModelDescription;
  readonly contract: Contract;
  readonly backend: 'auto' | BackendName;
  readonly queueLimit: number;
  readonly threads?: number | undefined;
  readonly nice: number;
  readonly onnxruntime?: OnnxRuntimeOptions | undefined;
  readonly tensorrt?: TensorRtOptions | undefined;
  readonly libtorch?: LibTorchOptions | undefined;
}

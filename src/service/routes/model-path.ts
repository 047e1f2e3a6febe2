// The model that a URL names.
import { refusal } from '../http/http-error.js';
import type { ModelHost, ServedModel } from '../model-host.js';

/** The parameters of /v2/models/:model[/versions/:version]. */
export interface ModelPath {
  readonly model: string;
  readonly version?: string;
}

/** @throws HttpError ERR_TFT_HTTP_NOT_READY, ERR_TFT_HTTP_MODEL. */
export function modelNamed(host: ModelHost, { model: name, version }: ModelPath): ServedModel {
  const model = host.current;
  if (model === undefined) {
    throw refusal('ERR_TFT_HTTP_NOT_READY', host.state.reason, { retryAfter: 5 });
  }
  if (name !== model.name) {
    throw refusal(
      'ERR_TFT_HTTP_MODEL',
      `there is no model '${name.slice(0, 80)}'; '${model.name}' is served`,
    );
  }
  if (version !== undefined && version !== model.version) {
    throw refusal(
      'ERR_TFT_HTTP_MODEL',
      `version '${version.slice(0, 20)}' of '${name}' is not served; version ${model.version} is`,
    );
  }
  return model;
}

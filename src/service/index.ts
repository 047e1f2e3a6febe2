// What `import … from 'tft-tensorrt/service'` offers: the service inside your own program.
export { type ForecastJson, forecastSchema } from '../forecast-schema.js';
export { type ConfigSources, printableConfig, readConfig, settingsFileOf } from './config/config.js';
export { readSettings, readSettingsFile } from './config/read-settings.js';
export {
  configSchema,
  describeSettings,
  type ServiceConfig,
  type Setting,
  settings,
} from './config/schema.js';
export type { ExtensionAnswer, ExtensionParts, ServiceExtension } from './extension.js';
export { badBody, HttpError, type HttpErrorCode, refusal } from './http/http-error.js';
export type { Operation } from './http/operation.js';
export type { HostState, ModelHost, ServedModel } from './model-host.js';
export { makeLog, type ServiceLog } from './observe/logging.js';
export { type RegisterMetricsOptions, registerMetrics } from './observe/register-metrics.js';
export { startTracing } from './observe/tracing.js';
export { type TftPluginOptions, tftPlugin } from './plugin.js';
export { Service } from './service.js';

// What `import … from 'tft-tensorrt/service'` offers: the service inside a program of one's own.
export { type ConfigSources, printableConfig, readConfig } from './config.js';
export { configSchema, type ServiceConfig, type Setting, settings } from './config-schema.js';
export { HttpError, type HttpErrorCode } from './http-error.js';
export { makeLog, type ServiceLog } from './logging.js';
export { Service } from './service.js';
export { startTracing } from './tracing.js';

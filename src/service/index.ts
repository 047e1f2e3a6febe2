// What `import … from 'tft-tensorrt/service'` offers: the service inside your own program.
export { type ConfigSources, printableConfig, readConfig } from './config/config.js';
export { configSchema, type ServiceConfig, type Setting, settings } from './config/schema.js';
export { HttpError, type HttpErrorCode } from './http/http-error.js';
export { makeLog, type ServiceLog } from './observe/logging.js';
export { startTracing } from './observe/tracing.js';
export { Service } from './service.js';

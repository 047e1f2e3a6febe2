// Writes cpp/server/error_codes.inc, the server's list of error codes with their HTTP statuses, from the table of
// src/contract/error-codes.ts. A test compares the two.
import { writeFileSync } from 'node:fs';
import { ERRORS } from '../lib/contract/error-codes.js';

const PREFIX = 'ERR_TFT_';
const lines = Object.entries(ERRORS).map(
  ([code, { status = 500 }]) => `TFT_ERROR(${code.slice(PREFIX.length)}, ${status})\n`,
);
writeFileSync(
  new URL('../cpp/server/error_codes.inc', import.meta.url),
  `// Written by scripts/write-server-errors.mjs: each code without ERR_TFT_, and its HTTP status.\n${lines.join('')}`,
);

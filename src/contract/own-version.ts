// This package's version.
import { readFileSync } from 'node:fs';
import { ownFile } from './own-package.js';

export function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(ownFile('package.json'), 'utf8')) as { version: string };
  return version;
}

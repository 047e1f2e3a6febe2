// Builds src/ and web/ into lib/ before any test runs, so that the code under test is the code that is published: the
// engine's worker thread, too, is a file of lib/ (vitest.config.ts sends imports of src/ there).
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));

/** vitest's globalSetup. Type errors are tsc's to report (npm run check), not this build's. */
export function setup(): void {
  const file = resolve(root, 'tsconfig.build.json');
  const { config, error } = ts.readConfigFile(file, ts.sys.readFile);
  if (error) throw new Error(ts.flattenDiagnosticMessageText(error.messageText, '\n'));
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const { rootDir = root, outDir = root, tsBuildInfoFile = '' } = options;
  const outputOf = (source: string) =>
    resolve(outDir, relative(rootDir, source)).replace(/(?<!\.d)\.ts$/, '.js');
  // Only what changed since the last build is compiled again, so what is missing must not count as built.
  if (!fileNames.every((name) => name.endsWith('.d.ts') || existsSync(outputOf(name))))
    rmSync(tsBuildInfoFile, { force: true });
  const host = ts.createIncrementalCompilerHost(options);
  ts.createIncrementalProgram({ rootNames: fileNames, options, host }).emit(undefined, replaceWhenDifferent);
  execFileSync(process.execPath, [resolve(root, 'scripts/build-page.mjs')], { stdio: 'inherit' });
  chmodSync(resolve(root, 'lib/cli/main.js'), 0o755);
}

/** Never a half-written file, and no write at all when nothing changed: another test run may be reading. */
function replaceWhenDifferent(path: string, text: string): void {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.${process.pid}`, text);
  renameSync(`${path}.${process.pid}`, path);
}

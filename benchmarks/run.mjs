// Runs the benchmarks, or the one that is named: node benchmarks/run.mjs [NAME] [-- OPTIONS].
//
// They measure the published form: src/ is built into lib/, and the benchmarks, compiled into build/benchmarks, import it
// from there. Each runs in a separate process, one after another. The name of a benchmark in a folder begins with the
// folder's: service/load.ts is service-load.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));
const compiled = `${root}build/benchmarks/`;
/** Shared files, which are not benchmarks. */
const SHARED = /^harness\.ts$|\/parts\//;

const files = readdirSync(`${root}benchmarks`, { recursive: true }).filter((file) => file.endsWith('.ts'));
const programs = new Map(
  files
    .filter((file) => !SHARED.test(file))
    .map((file) => file.slice(0, -'.ts'.length))
    .sort()
    .map((path) => [path.replaceAll('/', '-'), path]),
);
const names = [...programs.keys()];
const [first, ...rest] = process.argv.slice(2);
const isNamed = first !== undefined && !first.startsWith('-');
const options = isNamed ? rest : process.argv.slice(2);
if (first === '--help' || first === '--list') {
  console.log(
    `${first === '--list' ? '' : 'npm run bench              all of these, one after another: about ten minutes\nnpm run bench -- NAME       one of them\n\n'}` +
      `${names.join('\n')}\n${first === '--list' ? '' : '\nEach ends with lines `ratio NAME VALUE`: above 1 this package is ahead of its peer. Results go to benchmarks/results.'}`,
  );
  process.exit(0);
}
if (isNamed && !names.includes(first)) {
  console.error(`no benchmark '${first}'; there are: ${names.join(', ')}`);
  process.exit(2);
}

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const built = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (built.status !== 0) process.exit(1);

for (const file of files) {
  const { outputText } = ts.transpileModule(readFileSync(`${root}benchmarks/${file}`, 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
  });
  const text = outputText.replaceAll(/'((?:\.\.\/)+)src\//g, "'$1../lib/");
  const path = `${compiled}${file.replace(/\.ts$/, '.js')}`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

let failed = false;
for (const name of isNamed ? [first] : names) {
  console.log(`\n== ${name}`);
  const { status } = spawnSync(
    process.execPath,
    [`${compiled}${programs.get(name)}.js`, ...options.filter((o) => o !== '--')],
    {
      cwd: root,
      stdio: 'inherit',
    },
  );
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);

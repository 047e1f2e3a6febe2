// Runs the benchmarks, or the one that is named: node benchmarks/run.mjs [NAME] [-- OPTIONS].
//
// They measure what is published: src/ is built into lib/, and the benchmarks, compiled into build/benchmarks,
// import it from there. Each runs in a process of its own, one after another.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));
const compiled = `${root}build/benchmarks/`;
/** What the benchmarks share is no benchmark. */
const SHARED = ['harness'];

const files = readdirSync(`${root}benchmarks`).filter((file) => file.endsWith('.ts'));
const names = files.map((file) => file.slice(0, -'.ts'.length)).filter((name) => !SHARED.includes(name));
const [first, ...rest] = process.argv.slice(2);
const isNamed = first !== undefined && !first.startsWith('-');
const options = isNamed ? rest : process.argv.slice(2);
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

mkdirSync(compiled, { recursive: true });
for (const file of files) {
  const { outputText } = ts.transpileModule(readFileSync(`${root}benchmarks/${file}`, 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
  });
  const text = outputText.replaceAll("'../src/", "'../../lib/");
  writeFileSync(`${compiled}${file.replace(/\.ts$/, '.js')}`, text);
}

let failed = false;
for (const name of isNamed ? [first] : names) {
  console.log(`\n== ${name}`);
  const { status } = spawnSync(
    process.execPath,
    [`${compiled}${name}.js`, ...options.filter((o) => o !== '--')],
    {
      cwd: root,
      stdio: 'inherit',
    },
  );
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);

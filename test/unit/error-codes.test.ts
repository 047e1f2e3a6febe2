// Error codes are data in one table. These tests compare the documentation and the C++ core with it, and the options that
// TypeScript declares with those that the addon reads.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { ERRORS, type ErrorCodeFacts, HTTP_ERRORS, TFT_ERRORS } from '../../src/contract/error-codes.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const cpp = readdirSync(join(root, 'cpp'), { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(?:h|cpp)$/.test(file) && !file.startsWith('tests/'))
  .map((file) => read(join('cpp', file)));

/** The only C++ source file that matches. */
function sourceWith(pattern: RegExp): string {
  const found = cpp.filter((text) => pattern.test(text));
  expect(found, `C++ sources with ${pattern}`).toHaveLength(1);
  return found[0] as string;
}

function tableOf(errors: Readonly<Record<string, ErrorCodeFacts>>): string {
  const row = ([code, { status, also = [], meaning }]: [string, ErrorCodeFacts]) =>
    `| \`${code}\` | ${[status ?? 500, ...also].join(', ')} | ${meaning} |`;
  return ['| code | HTTP status | meaning |', '|---|---|---|', ...Object.entries(errors).map(row)].join('\n');
}

test('docs/errors.md has the table of codes', () => {
  const text = read('docs/errors.md');
  expect(text).toContain(tableOf(TFT_ERRORS));
  expect(text).toContain(tableOf(HTTP_ERRORS));
});

test('every code of the C++ core is in the table, spelled alike', () => {
  const [, body = ''] =
    /enum class ErrorCode \{(.*?)\n\};/s.exec(sourceWith(/enum class ErrorCode \{/)) ?? [];
  const declared = [...body.matchAll(/^\s*([A-Z_]+),/gm)].map(([, name]) => `ERR_TFT_${name}`);
  const named = [
    ...sourceWith(/std::string_view code_name\(ErrorCode code\) \{/).matchAll(/return "(ERR_TFT_\w+)";/g),
  ];
  expect(declared.length).toBeGreaterThan(10);
  expect(new Set(named.map(([, name]) => name))).toEqual(new Set(declared));
  expect(declared.filter((code) => !(code in ERRORS))).toEqual([]);
});

describe('the addon reads the options that TypeScript declares, under the same names:', () => {
  const source = sourceWith(/LoadArguments read_load_arguments\(const Napi::Object& object\) \{/);
  const functions = new Map(
    [
      ...source.matchAll(
        /^\w[\w:<>& ]* (\w+)\(const Napi::(?:Object|Value)& \w+\) \{([^\n]*\}$|\n.*?^\})/gms,
      ),
    ].map(([, name, body]) => [name as string, body as string]),
  );

  /** The keys that a function reads, and those read by functions to which it passes its object. */
  function keysRead(name: string): string[] {
    const body = functions.get(name);
    expect(body, name).toBeDefined();
    const own = [...(body as string).matchAll(/\bobject(?:, |\.Get\()"(\w+)"/g)].map(
      ([, key]) => key as string,
    );
    const others = [...functions.keys()].filter((other) => (body as string).includes(`${other}(object)`));
    return [...own, ...others.flatMap(keysRead)].sort();
  }

  const declarations = ts.createSourceFile('addon.ts', read('src/native/addon.ts'), ts.ScriptTarget.ES2023);
  const interfaces = new Map(
    declarations.statements.filter(ts.isInterfaceDeclaration).map((found) => [found.name.text, found]),
  );

  function keysDeclared(name: string): string[] {
    const found = interfaces.get(name) as ts.InterfaceDeclaration;
    expect(found, name).toBeDefined();
    const bases = (found.heritageClauses ?? []).flatMap(({ types }) =>
      types.map(({ expression }) => (expression as ts.Identifier).text),
    );
    const own = found.members.map((member) => (member.name as ts.Identifier).text);
    return [...own, ...bases.flatMap(keysDeclared)].sort();
  }

  test.each([
    ['NativeLibraryOptions', 'read_loader_options'],
    ['NativeLoadOptions', 'read_load_arguments'],
    ['NativeOnnxRuntimeOptions', 'read_onnxruntime_arguments'],
    ['NativeTorchScriptOptions', 'read_torchscript_arguments'],
    ['NativeBuildOptions', 'read_build_arguments'],
    ['NativeMeasureOptions', 'read_measure_arguments'],
    ['NativeTensor', 'tensor'],
    ['NativeProfile', 'batch_range'],
  ])('%s by %s', (declared, reader) => {
    expect(keysRead(reader)).toEqual(keysDeclared(declared));
  });
});

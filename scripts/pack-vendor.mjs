// Runs before the package is packed: puts ONNX Runtime's CPU files for Linux x64 and the fonts of PNG pictures into vendor/.
//
// onnxruntime-node has the files of all platforms, 288 MB unpacked; those that are packed here are 46 MB.
// onnxruntime-node downloads GPU libraries when it is installed, and its installation, and that of any package
// that depends on it, fails where it cannot. So the published package carries the files it needs (MIT licence).
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PLATFORMS = ['linux/x64'];
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
const target = join(root, 'vendor', 'onnxruntime-node');

await rm(join(root, 'vendor'), { recursive: true, force: true });
await mkdir(target, { recursive: true });
const { name, version, license, main, types } = JSON.parse(
  await readFile(join(source, 'package.json'), 'utf8'),
);
await writeFile(
  join(target, 'package.json'),
  `${JSON.stringify({ name, version, license, main, types }, null, 2)}\n`,
);
await cp(join(source, 'dist'), join(target, 'dist'), {
  recursive: true,
  filter: (path) => !path.endsWith('.map'),
});
for (const platform of PLATFORMS) {
  await cp(join(source, 'bin', 'napi-v6', platform), join(target, 'bin', 'napi-v6', platform), {
    recursive: true,
  });
}
await writeFile(
  join(target, 'NOTICE'),
  `ONNX Runtime ${version}, unchanged files of the npm package onnxruntime-node.\n` +
    'Copyright (c) Microsoft Corporation. Licensed under the MIT License:\n\n' +
    'Permission is hereby granted, free of charge, to any person obtaining a copy of this software and\n' +
    'associated documentation files (the "Software"), to deal in the Software without restriction, including\n' +
    'without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell\n' +
    'copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the\n' +
    'following conditions:\n\n' +
    'The above copyright notice and this permission notice shall be included in all copies or substantial\n' +
    'portions of the Software.\n\n' +
    'THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT\n' +
    'LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO\n' +
    'EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER\n' +
    'IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR\n' +
    'THE USE OR OTHER DEALINGS IN THE SOFTWARE.\n',
);
console.log(`vendor/onnxruntime-node: ${version} for ${PLATFORMS.join(', ')}`);

// Two of the 22 fonts of dejavu-fonts-ttf: 1.5 MB instead of 12.
const fonts = dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json'));
await mkdir(join(root, 'vendor', 'fonts'));
for (const file of ['ttf/DejaVuSans.ttf', 'ttf/DejaVuSans-Bold.ttf', 'LICENSE']) {
  await cp(join(fonts, file), join(root, 'vendor', 'fonts', basename(file)));
}
console.log('vendor/fonts: DejaVu Sans');

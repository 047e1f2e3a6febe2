// Writes THIRD_PARTY.md: everything that an installation brings along, with its licence. node scripts/write-third-party.mjs
import { readFileSync, writeFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);
const { packages } = JSON.parse(readFileSync(new URL('package-lock.json', root), 'utf8'));

const rows = Object.entries(packages)
  .filter(([path, { dev, optional, peer }]) => path !== '' && !dev && !optional && !peer)
  .map(([path, { version, license }]) => {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return `| ${name} | ${version} | ${license ?? 'not stated'} |`;
  })
  .sort();

const lock = (name) => packages[`node_modules/${name}`].version;
writeFileSync(
  new URL('THIRD_PARTY.md', root),
  `# Third-party software

In the package itself:

| part | where | licence |
|---|---|---|
| ONNX Runtime ${lock('onnxruntime-node')} (onnxruntime-node: its CPU library for Linux x64) | vendor/onnxruntime-node | MIT; NOTICE beside it. What it is built of is listed in ThirdPartyNotices.txt of its [repository](https://github.com/microsoft/onnxruntime) |
| DejaVu Sans ${lock('dejavu-fonts-ttf')} | vendor/fonts | Bitstream Vera and Arev licences; LICENSE beside it |
| Preact, @preact/signals, uPlot, in the fleet's page | lib/web/page.js | MIT; LICENSES.txt beside it |

Installed with it, at the versions of this release's lock file; \`@resvg/resvg-js\`, \`lmdb\` and \`msgpackr\` also bring binaries for
the platform. The one of \`lmdb\` contains LMDB itself, under the OpenLDAP Public License:

| package | version | licence |
|---|---|---|
${rows.join('\n')}

NVIDIA's TensorRT and driver are opened where they are installed; nothing of them is in the package.
`,
);

// Builds libtft_libtorch.so, which runs TorchScript modules, in build/libtorch: node scripts/build-libtorch.mjs [-DNAME=VALUE …]
//
// It is compiled for one LibTorch: the one in TORCH_ROOT (with include and lib), else Python's package torch of the
// exporter's environment, which scripts/uv makes. CMake and a C++20 compiler must be there.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The folder of LibTorch; undefined where there is none. */
function torchRoot() {
  if (process.env.TORCH_ROOT) return resolve(process.env.TORCH_ROOT);
  const environment = spawnSync(join(root, 'scripts/python-environment'), {
    encoding: 'utf8',
  }).stdout?.trim();
  const lib = join(environment ?? '', 'lib');
  if (!environment || !existsSync(lib)) return undefined;
  const packages = readdirSync(lib).map((python) => join(lib, python, 'site-packages/torch'));
  return packages.find((folder) => existsSync(join(folder, 'include/torch/script.h')));
}

function run(...args) {
  const { status, error } = spawnSync('cmake', args, { cwd: root, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const torch = torchRoot();
if (torch === undefined) {
  console.error(
    "there is no LibTorch: set TORCH_ROOT to its folder, or run 'scripts/uv python -V', which installs Python's package torch",
  );
  process.exit(1);
}
const definitions = ['-DTFT_BUILD_LIBTORCH=ON', `-DTORCH_ROOT=${torch}`, ...process.argv.slice(2)];
run('--preset', 'libtorch', '-DCMAKE_MESSAGE_LOG_LEVEL=WARNING', ...definitions);
run('--build', '--preset', 'libtorch');
console.log(`build/libtorch/libtft_libtorch.so runs LibTorch of ${torch}`);

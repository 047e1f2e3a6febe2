// Runs before the package is packed: refuses to pack one without the native addon, which would run models on the CPU only.
import { existsSync, readdirSync } from 'node:fs';

/** What a release must bring along. */
const PLATFORMS = ['linux-x64'];

const folder = new URL('../prebuilds/', import.meta.url);
const missing = PLATFORMS.filter((platform) => {
  const own = new URL(`${platform}/`, folder);
  return !existsSync(own) || !readdirSync(own).some((file) => file.endsWith('.node'));
});
if (missing.length > 0 && !process.env.TFT_PACK_WITHOUT_NATIVE) {
  console.error(
    `prebuilds/ has no native addon for ${missing.join(', ')}: 'npm run pack:native' makes it. ` +
      'TFT_PACK_WITHOUT_NATIVE=1 packs without: such a package runs models on the CPU only.',
  );
  process.exit(1);
}

// Writes a plot to a file: SVG as it is; PNG rendered with bundled fonts, so that a server without fonts makes the same
// picture.
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { TFTError } from '../../index.js';

const FONTS = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'];
/** The number of pixels for each unit of the SVG: sharp on high-resolution screens. */
const SCALE = 2;

/** @throws TFTError ERR_TFT_OPTION for a name that ends in neither .svg nor .png. */
export function checkPictureName(path: string): void {
  if (!['.svg', '.png'].includes(extname(path).toLowerCase())) {
    throw new TFTError('ERR_TFT_OPTION', `a plot is an .svg or a .png file; '${path}' is neither`);
  }
}

/** @throws TFTError ERR_TFT_OPTION, ERR_TFT_FILE; ERR_TFT_UNSUPPORTED if PNG cannot be rendered. */
export async function writePicture(path: string, svg: string): Promise<void> {
  checkPictureName(path);
  const content = extname(path).toLowerCase() === '.svg' ? svg : await drawPng(svg);
  try {
    await writeFile(path, content);
  } catch (cause) {
    throw new TFTError('ERR_TFT_FILE', `cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
}

async function drawPng(svg: string): Promise<Buffer> {
  let Resvg: typeof import('@resvg/resvg-js').Resvg;
  try {
    // Loaded only when needed, because it is a native library and everything else works without it.
    ({ Resvg } = await import('@resvg/resvg-js'));
  } catch (cause) {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `PNG cannot be drawn on this machine (${(cause as Error).message.split('\n')[0]}); name an .svg file`,
      { cause },
    );
  }
  const { resolve } = createRequire(import.meta.url);
  const fontFiles = FONTS.map((name) => resolve(`dejavu-fonts-ttf/ttf/${name}`));
  const font = { loadSystemFonts: false, fontFiles, defaultFontFamily: 'DejaVu Sans' };
  return new Resvg(svg, { fitTo: { mode: 'zoom', value: SCALE }, font }).render().asPng();
}

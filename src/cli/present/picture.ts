// Writes a plot to a file: SVG as it is; PNG rendered with bundled fonts, so that a server without fonts makes the same
// picture.
import { accessSync, constants, existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TFTError } from '../../index.js';

const FONTS = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'];
/** The number of pixels for each unit of the SVG: sharp on high-resolution screens. */
const SCALE = 2;

/**
 * Checks before anything is forecast that a picture can be written.
 *
 * @throws TFTError ERR_TFT_OPTION for a name that ends in neither .svg nor .png, ERR_TFT_FILE for a folder that is not there or
 *   may not be written to.
 */
export function checkPicturePath(path: string): void {
  checkPictureName(path);
  const folder = dirname(resolve(path));
  try {
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    const reason = existsSync(folder) ? 'may not be written to' : 'does not exist';
    throw new TFTError('ERR_TFT_FILE', `cannot write ${path}: the folder ${folder} ${reason}`, { cause });
  }
}

function checkPictureName(path: string): void {
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
  const fontFiles = FONTS.map(fontFile);
  const font = { loadSystemFonts: false, fontFiles, defaultFontFamily: 'DejaVu Sans' };
  return new Resvg(svg, { fitTo: { mode: 'zoom', value: SCALE }, font }).render().asPng();
}

/** The packed font; in a clone that of the package it is packed from. */
function fontFile(name: string): string {
  const packed = fileURLToPath(new URL(`../../../vendor/fonts/${name}`, import.meta.url));
  return existsSync(packed) ? packed : createRequire(import.meta.url).resolve(`dejavu-fonts-ttf/ttf/${name}`);
}

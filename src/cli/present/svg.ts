// What the pictures have in common: colours, text, and the document itself.
const FONT = "'DejaVu Sans', Verdana, sans-serif";
export const COLOURS = {
  text: '#1f2937',
  quiet: '#6b7280',
  grid: '#e5e7eb',
  history: '#374151',
  median: '#1d4ed8',
  /** Colours from the widest band to the narrowest. Further bands have the last colour. */
  bands: ['#dbe7fb', '#b6cff7', '#86aef0', '#5f92ea'],
  simulated: '#b45309',
};

export interface TextStyle {
  size?: number;
  weight?: 'bold';
  fill?: string;
  anchor?: 'middle' | 'end';
}

/** The text of an SVG file with a white background. */
export function svgDocument(width: number, height: number, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
      `viewBox="0 0 ${width} ${height}" font-family="${FONT}" font-size="11" fill="${COLOURS.text}">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

export function text(x: number, y: number, content: string, style: TextStyle = {}): string {
  if (content === '') return '';
  const attributes = [
    style.size === undefined ? '' : ` font-size="${style.size}"`,
    style.weight === undefined ? '' : ` font-weight="${style.weight}"`,
    style.fill === undefined ? '' : ` fill="${style.fill}"`,
    style.anchor === undefined ? '' : ` text-anchor="${style.anchor}"`,
  ];
  return `<text x="${x}" y="${y}"${attributes.join('')}>${escaped(content)}</text>`;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Escapes text for XML. Characters that XML cannot contain become a replacement character. */
export function escaped(content: string): string {
  return content
    .replace(/[&<>"]/g, (character) => ENTITIES[character] as string)
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD');
}

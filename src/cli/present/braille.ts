// A picture made of braille characters: every character is a cell of 2 × 4 dots in one style.
import type { Paint } from '../console.js';

/** The bit of each dot of a cell, by row and column; see Unicode's block U+2800. */
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;
const BLANK = 0x2800;

type Style = Parameters<Paint>[0];

export class BrailleCanvas {
  /** In dots. */
  readonly width: number;
  /** In dots. */
  readonly height: number;
  readonly #columns: number;
  readonly #cells: Uint8Array;
  readonly #styles: (Style | undefined)[];

  constructor(columns: number, rows: number) {
    this.#columns = columns;
    this.width = columns * 2;
    this.height = rows * 4;
    this.#cells = new Uint8Array(columns * rows);
    this.#styles = new Array(columns * rows).fill(undefined);
  }

  /** Sets a dot, counted from the upper left. Its cell takes the style of the dot that was set last. */
  dot(x: number, y: number, style?: Style): void {
    if (x < 0 || x >= this.width || y < 0 || y >= this.height) return;
    const cell = (y >> 2) * this.#columns + (x >> 1);
    this.#cells[cell] = (this.#cells[cell] as number) | (DOTS[y & 3]?.[x & 1] ?? 0);
    this.#styles[cell] = style;
  }

  /** Sets the dots of a column from one row to another, inclusive. */
  column(x: number, from: number, to: number, style?: Style): void {
    for (let y = Math.min(from, to); y <= Math.max(from, to); y++) this.dot(x, y, style);
  }

  /** One line of text for each row; adjacent cells of the same style are coloured together. */
  lines(paint: Paint): string[] {
    const lines: string[] = [];
    for (let begin = 0; begin < this.#cells.length; begin += this.#columns) {
      let line = '';
      for (let at = begin; at < begin + this.#columns; ) {
        const style = this.#styles[at];
        let run = '';
        while (at < begin + this.#columns && this.#styles[at] === style) {
          const cell = this.#cells[at++] as number;
          run += cell === 0 ? ' ' : String.fromCharCode(BLANK + cell);
        }
        line += style === undefined ? run : paint(style, run);
      }
      lines.push(line);
    }
    return lines;
  }
}

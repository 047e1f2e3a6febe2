// The servers that the daemon knows: their names and places, what they are and when they were last heard of.
import type { PlacedServer, StoredServer } from '../store/store.js';

/** Names longer than this are refused: they are labels of metrics and parts of paths. */
const MOST_CHARACTERS = 200;
/** Control characters, and halves of surrogate pairs. */
const UNWANTED = /[\p{Cc}\p{Cs}]/u;

interface Entry {
  name: string;
  profile: string;
  status: string;
}

/** Every server has a place, a number that is its own for as long as anything of it is kept. */
export class Roster {
  readonly #limit: number;
  readonly #entries: Entry[] = [];
  readonly #places = new Map<string, number>();
  readonly #free: number[] = [];
  #lastSamples = new Float64Array(64).fill(Number.NEGATIVE_INFINITY);
  /** Places whose entry the store does not have yet. */
  readonly #changed = new Set<number>();

  /** @param limit the largest number of servers. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many places there are; some may be free. */
  get places(): number {
    return this.#entries.length;
  }

  /** How many servers there are. */
  get count(): number {
    return this.#places.size;
  }

  /** Why a name cannot be a server's; undefined where it can. */
  static objection(name: string): string | undefined {
    if (name === '') return 'is empty';
    if (name.length > MOST_CHARACTERS) return `has more than ${MOST_CHARACTERS} characters`;
    return UNWANTED.test(name) ? 'has control characters' : undefined;
  }

  indexOf(name: string): number | undefined {
    return this.#places.get(name);
  }

  /** The place of a server, which is made if there is room; undefined where there is none. */
  placeOf(name: string): number | undefined {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    if (this.count >= this.#limit) return undefined;
    // Copied, because a name that is a slice of a body's text would keep all of that in memory.
    const entry = { name: Buffer.from(name).toString(), profile: '', status: '' };
    const place = this.#free.pop() ?? this.#entries.length;
    this.#entries[place] = entry;
    this.#places.set(entry.name, place);
    this.#changed.add(place);
    this.#grow(place);
    this.#lastSamples[place] = Number.NEGATIVE_INFINITY;
    return place;
  }

  /** Puts a server in the place where the store has kept it; one without a name leaves its place free. */
  restore(place: number, { name, profile, status }: StoredServer): void {
    const before = this.#entries[place];
    if (before !== undefined && before.name !== name) this.#places.delete(before.name);
    for (let free = this.#entries.length; free < place; free++) this.#makeFree(free);
    this.#entries[place] = { name, profile, status };
    this.#grow(place);
    const at = this.#free.indexOf(place);
    if (name === '') {
      if (at < 0) this.#free.push(place);
      return;
    }
    if (at >= 0) this.#free.splice(at, 1);
    this.#places.set(name, place);
  }

  /** Notes that a server was heard of. What it is now is the newest sample's to say. */
  heard(place: number, time: number, profile: string | undefined, status: string | undefined): void {
    if (time < (this.#lastSamples[place] as number)) return;
    this.#lastSamples[place] = time;
    const entry = this.#entries[place] as Entry;
    if (profile !== undefined && profile !== entry.profile) {
      entry.profile = Buffer.from(profile).toString();
      this.#changed.add(place);
    }
    if (status !== undefined && status !== entry.status) {
      entry.status = Buffer.from(status).toString();
      this.#changed.add(place);
    }
  }

  /** The server at a place; undefined where it is free. */
  at(place: number): Readonly<Entry> | undefined {
    const entry = this.#entries[place];
    return entry === undefined || entry.name === '' ? undefined : entry;
  }

  /** When a server's newest sample was taken; minus infinity where there is none. */
  lastSample(place: number): number {
    return this.#lastSamples[place] as number;
  }

  /** After a start, what the store's steps say. */
  setLastSample(place: number, time: number): void {
    if (time > (this.#lastSamples[place] as number)) this.#lastSamples[place] = time;
  }

  /** Frees the places of servers that were not heard of since a time. @returns the places. */
  expire(before: number): number[] {
    const gone: number[] = [];
    for (const [name, place] of this.#places) {
      if (this.lastSample(place) >= before) continue;
      this.#places.delete(name);
      this.#makeFree(place);
      this.#changed.add(place);
      gone.push(place);
    }
    return gone;
  }

  /** What the store has to be told, once. */
  takeChanged(): PlacedServer[] {
    const changed = [...this.#changed].sort((a, b) => a - b);
    this.#changed.clear();
    return changed.map((place) => ({ place, server: { ...(this.#entries[place] as Entry) } }));
  }

  /** All servers with their places. */
  *[Symbol.iterator](): Generator<[number, Readonly<Entry>]> {
    for (const place of this.#places.values()) yield [place, this.#entries[place] as Entry];
  }

  #makeFree(place: number): void {
    this.#entries[place] = { name: '', profile: '', status: '' };
    this.#free.push(place);
  }

  #grow(place: number): void {
    if (place < this.#lastSamples.length) return;
    const longer = new Float64Array(2 * (place + 1)).fill(Number.NEGATIVE_INFINITY);
    longer.set(this.#lastSamples);
    this.#lastSamples = longer;
  }
}

// The servers that the daemon knows: their names, places and categories, and the time of their newest sample.
import type { PlacedServer, StoredServer } from '../store/store.js';

/** Names longer than this are refused: names are labels of metrics and parts of paths. */
const MAX_CHARACTERS = 200;
/** Control characters, and halves of surrogate pairs. */
const UNWANTED = /[\p{Cc}\p{Cs}]/u;

interface Entry {
  name: string;
  profile: string;
  status: string;
}

/** Every server has a place: a number that belongs to it as long as any of its data is kept. */
export class Roster {
  readonly #limit: number;
  readonly #entries: Entry[] = [];
  readonly #places = new Map<string, number>();
  readonly #free: number[] = [];
  #lastSamples = new Float64Array(64).fill(Number.NEGATIVE_INFINITY);
  /** By place, the time from which a server counts as silent whose newest sample is not known. */
  readonly #silentSince = new Map<number, number>();
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

  /** Why a name is not valid for a server; undefined if it is valid. */
  static objection(name: string): string | undefined {
    if (name === '') return 'is empty';
    if (name.length > MAX_CHARACTERS) return `has more than ${MAX_CHARACTERS} characters`;
    return UNWANTED.test(name) ? 'has control characters' : undefined;
  }

  indexOf(name: string): number | undefined {
    return this.#places.get(name);
  }

  /** The place of a server. A new server gets one if there is room; otherwise undefined. */
  placeOf(name: string): number | undefined {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    if (this.count >= this.#limit) return undefined;
    // Copied, because a name that is a slice of a body's text would keep the whole text in memory.
    const entry = { name: Buffer.from(name).toString(), profile: '', status: '' };
    const place = this.#free.pop() ?? this.#entries.length;
    this.#entries[place] = entry;
    this.#places.set(entry.name, place);
    this.#changed.add(place);
    this.#grow(place);
    this.#lastSamples[place] = Number.NEGATIVE_INFINITY;
    return place;
  }

  /** Restores a server in its place from the store; an entry without a name leaves the place free. */
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

  /** Records a sample's time. The categories come from the newest sample. */
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

  /** The server at a place; undefined if it is free. */
  at(place: number): Readonly<Entry> | undefined {
    const entry = this.#entries[place];
    return entry === undefined || entry.name === '' ? undefined : entry;
  }

  /** The time of a server's newest sample; minus infinity if there is none. */
  lastSample(place: number): number {
    return this.#lastSamples[place] as number;
  }

  /** Restores the time of the newest sample from the store's steps. */
  setLastSample(place: number, time: number): void {
    if (time > (this.#lastSamples[place] as number)) this.#lastSamples[place] = time;
  }

  /** Keeps the servers whose newest sample is not known as if they had one at this time. */
  keepSilent(time: number): void {
    for (const place of this.#places.values()) {
      if (this.lastSample(place) === Number.NEGATIVE_INFINITY) this.#silentSince.set(place, time);
    }
  }

  /** Frees the places of servers without a sample since a time. @returns the places. */
  expire(before: number): number[] {
    const gone: number[] = [];
    for (const [name, place] of this.#places) {
      const silentSince = this.#silentSince.get(place) ?? Number.NEGATIVE_INFINITY;
      if (Math.max(this.lastSample(place), silentSince) >= before) continue;
      this.#silentSince.delete(place);
      this.#places.delete(name);
      this.#makeFree(place);
      this.#changed.add(place);
      gone.push(place);
    }
    return gone;
  }

  /** The entries to be stored; each is returned once. */
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

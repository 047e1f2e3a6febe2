// Reads server-sent events from pieces of text. The browser's EventSource cannot send a key.

export interface StreamEvent {
  readonly event: string;
  readonly data: string;
}

/** Parses the stream in pieces of any size. See https://html.spec.whatwg.org/multipage/server-sent-events.html */
export class EventParser {
  /** Pieces of the line that has not ended yet: an event of a large fleet is one line of megabytes. */
  #open: string[] = [];
  #event = '';
  #data: string[] = [];
  #endedWithReturn = false;

  /** The events that the piece completes. */
  push(text: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    let from = 0;
    // A line may end with \r\n, and the piece between them.
    if (this.#endedWithReturn && text.startsWith('\n')) from = 1;
    if (text !== '') this.#endedWithReturn = text.endsWith('\r');
    const ends = /\r\n|\n|\r/g;
    ends.lastIndex = from;
    for (let end = ends.exec(text); end !== null; end = ends.exec(text)) {
      this.#open.push(text.slice(from, end.index));
      const line = this.#open.join('');
      this.#open = [];
      from = ends.lastIndex;
      const event = this.#line(line);
      if (event) events.push(event);
    }
    if (from < text.length) this.#open.push(text.slice(from));
    return events;
  }

  #line(line: string): StreamEvent | undefined {
    if (line === '') {
      const [event, data] = [this.#event, this.#data];
      this.#event = '';
      this.#data = [];
      return data.length === 0
        ? undefined
        : { event: event === '' ? 'message' : event, data: data.join('\n') };
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    return undefined;
  }
}

// The description of a route for the OpenAPI document, defined next to the route's handler.
import type { z } from 'zod';

/** One operation of the API. */
export interface Operation {
  readonly summary: string;
  readonly description?: string;
  readonly tag: 'forecast' | 'fleet' | 'kserve' | 'operations';
  /** The access that it needs. */
  readonly access: 'anyone' | 'user' | 'administrator' | 'metrics';
  /** Parameters of the query that it reads. */
  readonly query?: Readonly<Record<string, { description: string; schema: z.ZodType }>>;
  /** Headers that it reads. */
  readonly headers?: Readonly<Record<string, { description: string; schema: z.ZodType }>>;
  readonly body?: Content;
  /** By status. Errors that are possible for every operation are added automatically. */
  readonly answers: Readonly<Record<number, Content & { readonly description: string }>>;
  /** Statuses of this operation's own errors. */
  readonly errors?: readonly number[];
}

/** The contents of a body, by media type. */
export interface Content {
  readonly json?: z.ZodType;
  /** Bytes, and what they are. */
  readonly binary?: string;
  readonly text?: string;
  /** Further types of text that it may be instead. */
  readonly texts?: readonly string[];
  readonly example?: unknown;
  /** Whether a request may omit it. */
  readonly optional?: boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: Operation;
  }
}

// Creates the OpenAPI 3.1 document from the routes' descriptions of themselves.
import { z } from 'zod';
import { ERRORS } from '../../contract/error-codes.js';
import type { Content, Operation } from './operation.js';
import * as schemas from './schemas.js';

/** A registered route. */
export interface DescribedRoute {
  readonly method: string;
  /** Fastify's, with :parameters. */
  readonly url: string;
  readonly operation: Operation;
}

const TAGS = {
  forecast: 'Forecasts.',
  fleet: 'The daemon: samples of servers in, their forecasts and alerts out.',
  kserve: 'The KServe v2 protocol, with extensions of Triton.',
  operations: 'For operators of the service.',
} as const satisfies Record<Operation['tag'], string>;

/** The document, as JSON. */
export function openApiDocument(routes: readonly DescribedRoute[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const { method, url, operation } of routes) {
    const path = url.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [method.toLowerCase()]: describe(url, method, operation) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'tft-tensorrt',
      version,
      description: 'Forecasts of server metrics with a Temporal Fusion Transformer.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: Object.entries(TAGS)
      .filter(([name]) => routes.some(({ operation }) => operation.tag === name))
      .map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: components(routes),
      securitySchemes: {
        key: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
    },
  };
}

function describe(url: string, method: string, operation: Operation): Record<string, unknown> {
  const {
    summary,
    description,
    tag,
    access,
    query = {},
    headers = {},
    body,
    answers,
    errors = [],
  } = operation;
  const parameters = [
    ...[...url.matchAll(/:(\w+)/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string', pattern: '^[A-Za-z0-9_.-]{1,128}$' },
    })),
    ...[
      ...Object.entries(query).map((entry) => ['query', ...entry] as const),
      ...Object.entries(headers).map((entry) => ['header', ...entry] as const),
    ].map(([place, name, parameter]) => ({
      name,
      in: place,
      required: false,
      description: parameter.description,
      schema: inline(parameter.schema),
    })),
  ];
  const statuses = [...new Set([...(access === 'anyone' ? [] : [401]), 403, 431, ...errors])];
  const refusals = statuses
    .filter((status) => !(status in answers))
    .map((status) => [
      status,
      {
        description: meaningOf(status),
        ...(status === 503
          ? { headers: { 'Retry-After': { description: 'seconds', schema: { type: 'integer' } } } }
          : {}),
        ...content({ json: schemas.errorAnswer }),
      },
    ]);
  return {
    operationId: idOf(method, url),
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [tag],
    security: access === 'anyone' ? [] : [{ key: [] }, { bearer: [] }],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, ...content(body) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [
          status,
          { description: answer.description, ...content(answer) },
        ]),
      ),
      ...Object.fromEntries(refusals),
    },
  };
}

/** All error codes with this status, with their meanings. */
function meaningOf(status: number): string {
  return Object.entries(ERRORS)
    .filter(([, facts]) => facts.status === status || facts.also?.includes(status))
    .map(([code, { meaning }]) => `${code}: ${meaning}`)
    .join(' ');
}

function content({ json, binary, text, texts = [], example }: Content): Record<string, unknown> {
  const media: Record<string, unknown> = {};
  if (json !== undefined) {
    media['application/json'] = { schema: referTo(json), ...(example === undefined ? {} : { example }) };
  }
  for (const type of texts) media[type] = { schema: { type: 'string' } };
  if (binary !== undefined) {
    media['application/octet-stream'] = { schema: { type: 'string', format: 'binary', description: binary } };
  }
  if (text !== undefined) media[text] = { schema: { type: 'string' } };
  return Object.keys(media).length === 0 ? {} : { content: media };
}

function referTo(schema: z.ZodType): Record<string, unknown> {
  const id = schema.meta()?.id;
  return id === undefined ? inline(schema) : { $ref: `#/components/schemas/${id}` };
}

/** The schemas with names: the service's own, and those of further routes with what they refer to. */
function components(routes: readonly DescribedRoute[]): Record<string, unknown> {
  const named: Record<string, unknown> = {};
  const ofRoutes = routes.flatMap(({ operation: { body, answers } }) =>
    [body, ...Object.values(answers)].flatMap((part) => part?.json ?? []),
  );
  for (const schema of [...Object.values(schemas), ...ofRoutes]) {
    const id = schema.meta()?.id;
    if (id === undefined || id in named) continue;
    const { $defs = {} } = toJsonSchema(schema);
    for (const [name, { id: _id, ...definition }] of Object.entries($defs)) named[name] ??= definition;
    named[id] = inline(schema);
  }
  return named;
}

/** OpenAPI 3.1 accepts JSON Schema; only the marks of a separate document are removed. */
function inline(schema: z.ZodType): Record<string, unknown> {
  const { $defs, ...made } = toJsonSchema(schema);
  // One with a name may be made as a reference to itself.
  const { $schema: _version, id: _id, ...rest } = $defs?.[schema.meta()?.id ?? ''] ?? made;
  return rest;
}

interface JsonSchema extends Record<string, unknown> {
  readonly $defs?: Readonly<Record<string, Record<string, unknown>>>;
}

/** What it refers to is among the document's components, not its own definitions. */
function toJsonSchema(schema: z.ZodType): JsonSchema {
  const text = JSON.stringify(z.toJSONSchema(schema, { io: 'input' }));
  return JSON.parse(text.replaceAll('"#/$defs/', '"#/components/schemas/')) as JsonSchema;
}

function idOf(method: string, url: string): string {
  const words = url.split('/').flatMap((part) => part.replace(':', 'by-').split(/[^a-zA-Z0-9]+/));
  return [method.toLowerCase(), ...words.filter((word) => word !== '')].join('_');
}

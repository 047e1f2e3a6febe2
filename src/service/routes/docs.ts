// The OpenAPI document and its page.
import type { FastifyInstance } from 'fastify';
import { ownVersion } from '../../contract/own-version.js';
import { type Described, docsPage } from '../http/docs-page.js';
import { type DescribedRoute, openApiDocument } from '../http/openapi.js';
import { openApi } from '../http/schemas.js';

/** @param routes every route of the app, once all are registered. */
export function docsRoutes(app: FastifyInstance, routes: readonly DescribedRoute[]): void {
  const version = ownVersion();
  app.get(
    '/openapi.json',
    {
      config: {
        operation: {
          summary: 'This document',
          tag: 'operations',
          access: 'user',
          answers: { 200: { description: 'OpenAPI 3.1', json: openApi } },
        },
      },
    },
    async (_request, reply) => reply.type('application/json').send(openApiDocument(routes, version)),
  );
  app.get(
    '/docs',
    {
      config: {
        operation: {
          summary: 'This document as a page',
          tag: 'operations',
          access: 'user',
          answers: { 200: { description: 'a page', text: 'text/html' } },
        },
      },
    },
    async (_request, reply) =>
      reply
        .type('text/html; charset=utf-8')
        .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
        .send(docsPage(openApiDocument(routes, version) as unknown as Described)),
  );
  // What is mounted beside the service may have a page of its own there.
  if (app.hasRoute({ method: 'GET', url: '/' })) return;
  app.get(
    '/',
    {
      config: {
        operation: {
          summary: 'Leads to the document for people',
          tag: 'operations',
          access: 'anyone',
          answers: { 302: { description: 'to /docs' } },
        },
      },
    },
    async (_request, reply) => reply.redirect('/docs'),
  );
}

// Liveness, readiness and metrics.
import type { FastifyInstance } from 'fastify';
import { live, ready } from '../http/schemas.js';
import type { Parts } from './forecast-request.js';

export function healthRoutes(app: FastifyInstance, { host, pressure, budget, metrics }: Parts): void {
  for (const url of ['/v2/health/live', '/healthz']) {
    app.get(
      url,
      {
        config: {
          operation: {
            summary: 'Whether the process is alive',
            description: '503 after the GPU is lost: the process must be restarted.',
            tag: 'operations',
            access: 'anyone',
            answers: {
              200: { description: 'it is, even while it loads the model', json: live },
              503: { description: 'it must be restarted', json: live },
            },
          },
        },
      },
      async (_request, reply) => {
        const isLive = host.fatal === undefined;
        return reply.code(isLive ? 200 : 503).send({ live: isLive });
      },
    );
  }
  for (const url of ['/v2/health/ready', '/readyz']) {
    app.get(
      url,
      {
        config: {
          operation: {
            summary: 'Whether requests are served',
            tag: 'operations',
            access: 'anyone',
            answers: {
              200: { description: 'they are', json: ready },
              503: { description: 'they are not, and why', json: ready },
            },
          },
        },
      },
      async (_request, reply) => {
        const { phase, reason } = host.state;
        const model = host.current;
        if (phase === 'ready' && model !== undefined) {
          if (budget.isSpent)
            return reply.code(503).send({ ready: false, reason: 'maxBytesInFlight is spent' });
          if (!pressure.isFull(model)) return { ready: true };
          return reply.code(503).send({ ready: false, reason: 'the queue is full' });
        }
        return reply.code(503).send({ ready: false, reason: `${phase}: ${reason}` });
      },
    );
  }
  app.get(
    '/metrics',
    {
      config: {
        operation: {
          summary: "Prometheus's metrics",
          tag: 'operations',
          access: 'metrics',
          answers: { 200: { description: 'the metrics', text: 'text/plain' } },
        },
      },
    },
    async (request, reply) => {
      const { type, text } = await metrics.exposition(request.headers.accept);
      return reply.header('vary', 'accept').type(type).send(text);
    },
  );
}

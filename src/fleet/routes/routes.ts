// The daemon's routes on the service.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type ExtensionAnswer, type ExtensionParts, type Operation, refusal } from '../../service/index.js';
import {
  accuracy,
  alerts,
  explained,
  fleetStatus as fleetStatusSchema,
  overview as overviewSchema,
  serverDetail,
} from '../api.js';
import type { Fleet } from '../fleet.js';
import { FeedReader, feedAnswer, feedRequest } from '../ingest/feed.js';
import { RemoteWrite } from '../sources/remote-write.js';
import { currentPredictions, currentPredictionsOf } from '../views/current.js';
import { explanationOf, whyUnexplained } from '../views/explanation.js';
import { overview } from '../views/overview.js';
import { serverDetail as detailOf } from '../views/server.js';
import { fleetStatus } from '../views/status.js';

/** About 10,000 records. */
const MAX_FEED_BYTES = 4 * 2 ** 20;
const READ_ERRORS = [404, 503];

/** @param fleetOf the daemon, once the model is loaded. */
export function fleetRoutes(
  app: FastifyInstance,
  parts: ExtensionParts,
  fleetOf: () => Fleet | undefined,
): void {
  const fleet = (): Fleet => {
    const found = fleetOf();
    if (found !== undefined) return found;
    throw refusal('ERR_TFT_HTTP_NOT_READY', parts.host.state.reason || 'the daemon starts', {
      retryAfter: 5,
    });
  };

  get('/fleet/overview', 'All servers in short, those at risk first', overviewSchema, () =>
    overview(fleet()),
  );
  get('/fleet/alerts', 'Alerts, and the rules that they come of', alerts, () => alertsOf(fleet()));
  get('/fleet/accuracy', 'The accuracy of the forecasts', accuracy, () => accuracyOf(fleet()));
  get('/fleet/status', 'The daemon itself', fleetStatusSchema, () =>
    fleetStatus(fleet(), parts.host.current),
  );
  get('/predictions/current', 'The forecasts of all servers', currentPredictions, () =>
    currentPredictionsOf(fleet()),
  );
  get('/alerts/active', 'Alerts that are pending or fire', z.object({ alerts: z.array(z.unknown()) }), () => {
    const { active } = alertsOf(fleet());
    return { alerts: active, count: active.length, timestamp: new Date(fleet().clock.now()).toISOString() };
  });
  get(
    '/fleet/servers/:server',
    'One server: history, forecast, past forecasts of the measured steps',
    serverDetail,
    async (request) => {
      const { server, place, detail } = known(request);
      const explanation = await explanationOf(fleet(), place).catch((error: unknown) => {
        parts.log.warn({ err: error, part: 'fleet', server }, 'a forecast could not be explained');
        return null;
      });
      return { ...detail, explanation };
    },
  );
  get(
    '/explain/:server',
    'What the forecast of a server rests on: its variables, and the hours of the past',
    explained,
    async (request) => {
      const { server, place, detail } = known(request);
      const { state, source } = detail;
      const explanation = await explanationOf(fleet(), place);
      const reason =
        explanation === null ? whyUnexplained(fleet(), place, parts.host.current?.engine.model) : null;
      return { server, state, source, explanation, reason };
    },
  );
  get('/status', 'Whether forecasts are made', z.looseObject({}), () => statusOf(fleet()));
  healthRoute();
  feedRoute();
  remoteWriteRoute();
  eventsRoute();

  /** The server that a request names. @throws the refusal of a name that is not known. */
  function known(request: FastifyRequest) {
    const { server } = request.params as { server: string };
    const place = fleet().roster.indexOf(server);
    const detail = detailOf(fleet(), server);
    if (place === undefined || detail === undefined)
      throw refusal('ERR_TFT_HTTP_NOT_FOUND', `there is no server '${server.slice(0, 120)}' here`);
    return { server, place, detail };
  }

  function get(
    url: string,
    summary: string,
    json: z.ZodType,
    make: (request: FastifyRequest) => unknown,
  ): void {
    const answers = { 200: { description: summary, json } };
    const operation: Operation = { summary, tag: 'fleet', access: 'user', answers, errors: READ_ERRORS };
    app.get(url, { config: { operation } }, (request, reply) =>
      parts.exchange(request, reply, 0, async () => asJson(await make(request))),
    );
  }

  function healthRoute(): void {
    const operation: Operation = {
      summary: 'Whether the daemon forecasts',
      tag: 'fleet',
      access: 'anyone',
      answers: {
        200: { description: 'it does', json: z.looseObject({}) },
        503: { description: 'it does not yet', json: z.looseObject({}) },
      },
    };
    app.get('/health', { config: { operation } }, async (_request, reply) => {
      const isReady = fleetOf() !== undefined;
      return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'healthy' : 'starting' });
    });
  }

  function feedRoute(): void {
    const most = parts.config.maxBodyBytes ?? MAX_FEED_BYTES;
    let reader: FeedReader | undefined;
    const operation: Operation = {
      summary: 'Send samples of servers',
      description:
        'Valid records are accepted even if others are invalid; the answer names the invalid ones. A repeated record is ' +
        'counted as such, so a request that got no answer may be sent again. If a body stops being JSON at some place, the ' +
        'records before that place are taken.',
      tag: 'fleet',
      access: 'user',
      body: { json: feedRequest },
      answers: { 200: { description: 'the outcome of the records', json: feedAnswer } },
      errors: [400, 408, 413, 415, 503],
    };
    app.post('/feed/data', { config: { operation } }, (request, reply) =>
      parts.exchange(request, reply, most, async (body) => {
        const to = fleet();
        reader ??= new FeedReader(to.model);
        const answer = await reader.take(body, to.intake);
        return asJson({ ...answer, durable: await to.accepted() });
      }),
    );
  }

  function remoteWriteRoute(): void {
    let receiver: RemoteWrite | undefined;
    const operation: Operation = {
      summary: "Prometheus's remote write, version 1",
      description: "Series named as the model's metrics, with or without the prefix tft_input:, are taken.",
      tag: 'fleet',
      access: 'user',
      body: { binary: 'a WriteRequest, packed by Snappy' },
      answers: { 204: { description: 'taken; /fleet/status counts the samples by outcome' } },
      errors: [400, 408, 413, 503],
    };
    app.post('/api/v1/write', { config: { operation } }, (request, reply) =>
      parts.exchange(
        request,
        reply,
        parts.config.maxBodyBytes ?? MAX_FEED_BYTES,
        async (body, hold) => {
          const to = fleet();
          if (receiver === undefined) {
            receiver = new RemoteWrite(to, to.settings.remoteWriteLabel);
            to.sources.push(receiver);
          }
          await receiver.take(body, hold);
          await to.accepted();
          return { bytes: Buffer.alloc(0), type: 'text/plain', status: 204 };
        },
        true,
      ),
    );
  }

  function eventsRoute(): void {
    const operation: Operation = {
      summary: 'Each step and each alert as it comes, as server-sent events',
      description: "Events 'step' with the changed rows of the overview, and 'alert'.",
      tag: 'fleet',
      access: 'user',
      answers: { 200: { description: 'events', text: 'text/event-stream' } },
      errors: [503],
    };
    app.get(
      '/fleet/events',
      { config: { operation } },
      async (request: FastifyRequest, reply: FastifyReply) => {
        const { hub } = fleet();
        if (hub.isFull)
          throw refusal('ERR_TFT_HTTP_OVERLOADED', 'too many watch already', { retryAfter: 10 });
        reply.hijack();
        // A stream of events has no work to finish, so a stop does not wait for it.
        request.answered();
        const headers = Object.fromEntries(
          Object.entries(reply.getHeaders()).filter(
            (entry): entry is [string, string] => entry[1] !== undefined,
          ),
        );
        reply.raw.writeHead(200, {
          ...headers,
          'content-type': 'text/event-stream',
          'cache-control': 'no-cache',
          'x-accel-buffering': 'no',
        });
        hub.add(reply.raw);
      },
    );
  }
}

function asJson(value: unknown): ExtensionAnswer {
  return {
    bytes: Buffer.from(JSON.stringify(value)),
    type: 'application/json',
    headers: { 'cache-control': 'no-store' },
  };
}

function alertsOf(fleet: Fleet) {
  return fleet.alerts?.state() ?? { active: [], recent: [], rules: [] };
}

function accuracyOf(fleet: Fleet) {
  return fleet.accuracy?.state() ?? { since: null, horizons: [], profiles: [], stale: false };
}

function statusOf(fleet: Fleet) {
  const { due, forecasts } = fleet.loop.counts;
  return {
    running: true,
    servers: fleet.roster.count,
    predictions: forecasts,
    waiting: due,
    last_run: fleet.loop.lastRun ? new Date(fleet.loop.lastRun.at).toISOString() : null,
    simulated: fleet.simulated,
  };
}

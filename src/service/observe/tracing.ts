// OpenTelemetry spans, if the process has registered an SDK, or if OTEL_EXPORTER_OTLP_ENDPOINT names a collector and the SDK
// is installed. Otherwise nothing is done.

import type { IncomingHttpHeaders } from 'node:http';
import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { ServiceLog } from './logging.js';

/** Not a dependency of this package: it is large, and most users do not need it. */
const SDK = '@opentelemetry/sdk-node';

/** Creates the spans of requests and of their steps. */
export interface Tracing {
  /** Starts the span of a request, in the trace that its headers name. */
  begin(method: string, route: string, headers: IncomingHttpHeaders): RequestSpan | undefined;
  /** Runs a step of the current request in a span of its own. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>;
}

export interface RequestSpan {
  run(next: () => void): void;
  end(status: number, error?: Error): void;
}

/** Starts the SDK if it is configured and installed. @returns a function that stops it. */
export async function startTracing(
  environment: Readonly<Record<string, string | undefined>>,
  log: ServiceLog,
): Promise<() => Promise<void>> {
  const idle = async () => {};
  if (isRegistered() || !environment.OTEL_EXPORTER_OTLP_ENDPOINT) return idle;
  try {
    const { NodeSDK } = (await import(SDK)) as {
      NodeSDK: new (options: object) => { start(): void; shutdown(): Promise<void> };
    };
    const sdk = new NodeSDK({ serviceName: environment.OTEL_SERVICE_NAME ?? 'tft-tensorrt' });
    sdk.start();
    log.info('spans are sent to the OpenTelemetry collector');
    return () => sdk.shutdown();
  } catch (error) {
    log.warn(
      { reason: error instanceof Error ? error.message : String(error) },
      `no spans are sent: OTEL_EXPORTER_OTLP_ENDPOINT is set, but ${SDK} cannot be used; install it in addition to this package`,
    );
    return idle;
  }
}

/** Creates spans with the provider that is registered now. */
export function makeTracing(): Tracing {
  if (!isRegistered()) return { begin: () => undefined, step: (_name, work) => work() };
  const tracer = trace.getTracer('tft-tensorrt');
  return {
    begin(method, route, headers) {
      const parent: Context = propagation.extract(ROOT_CONTEXT, headers);
      const span = tracer.startSpan(
        `${method} ${route}`,
        { kind: SpanKind.SERVER, attributes: { 'http.request.method': method, 'http.route': route } },
        parent,
      );
      const active = trace.setSpan(parent, span);
      return {
        run: (next) => context.with(active, next),
        end(status, error) {
          span.setAttribute('http.response.status_code', status);
          if (error) span.recordException(error);
          if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        },
      };
    },
    step: (name, work) =>
      tracer.startActiveSpan(name, async (span: Span) => {
        try {
          return await work();
        } finally {
          span.end();
        }
      }),
  };
}

/** A span that is not recorded has no trace id. */
function isRegistered(): boolean {
  const span = trace.getTracer('tft-tensorrt').startSpan('probe');
  const registered = trace.isSpanContextValid(span.spanContext());
  span.end();
  return registered;
}

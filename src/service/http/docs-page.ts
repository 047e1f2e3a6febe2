// Renders the OpenAPI document as an HTML page: one file, without scripts and without external resources.

interface Described {
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, DescribedOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

interface DescribedOperation {
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly security: readonly unknown[];
  readonly parameters?: readonly { name: string; in: string; description?: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> };
  readonly responses: Readonly<Record<string, { description: string; content?: Record<string, unknown> }>>;
}

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
details { border: 1px solid #8886; border-radius: 6px; margin: .5rem 0; padding: .4rem .8rem }
summary { cursor: pointer } code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { overflow: auto; padding: .6rem; background: #8881 } table { border-collapse: collapse }
td { padding: .1rem .8rem .1rem 0; vertical-align: top } .method { display: inline-block; min-width: 4rem; font-weight: 600 }
`;

export function docsPage(document: Described): string {
  const { info, tags, paths, components } = document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const sections = tags.map(({ name, description }) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(name));
    return `<h2>${escapeHtml(description)}</h2>${own.map(section).join('')}`;
  });
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details id="${escapeHtml(name)}"><summary><code>${escapeHtml(name)}</code></summary>` +
      `<pre>${escapeHtml(JSON.stringify(schema, null, 2))}</pre></details>`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeHtml(info.title)}</title>
<meta name="viewport" content="width=device-width"><style>${STYLE}</style>
<h1>${escapeHtml(info.title)} ${escapeHtml(info.version)}</h1><p>${escapeHtml(info.description)}
The same for programs: <a href="openapi.json">openapi.json</a>.</p>
${sections.join('\n')}<h2>Schemas.</h2>${schemas.join('')}</html>`;
}

function section(entry: { path: string; method: string; operation: DescribedOperation }): string {
  const { path, method, operation } = entry;
  const rows = [
    ...(operation.parameters ?? []).map((parameter) => [
      `${parameter.in} ${parameter.name}`,
      escapeHtml(parameter.description ?? ''),
    ]),
    ...Object.entries(operation.requestBody?.content ?? {}).map(([type, body]) => [
      'body',
      `${escapeHtml(type)} ${link(body)}`,
    ]),
    ...Object.entries(operation.responses).map(([status, answer]) => [
      status,
      `${escapeHtml(answer.description)} ${Object.values(answer.content ?? {})
        .map(link)
        .join(' ')}`,
    ]),
  ];
  const table = rows
    .map(([name, text]) => `<tr><td><code>${escapeHtml(name ?? '')}</code><td>${text}`)
    .join('');
  const example = (operation.requestBody?.content['application/json'] as { example?: unknown } | undefined)
    ?.example;
  const tryIt =
    example === undefined
      ? ''
      : `<p>Try it:</p><pre>${escapeHtml(
          `curl -H 'Content-Type: application/json' localhost:8000${path} -d '${JSON.stringify(example, null, 1)}'`,
        )}</pre>`;
  const key = operation.security.length === 0 ? '' : ' 🔑';
  return (
    `<details><summary><span class="method">${escapeHtml(method.toUpperCase())}</span> <code>${escapeHtml(path)}</code> ` +
    `${escapeHtml(operation.summary)}${key}</summary><p>${escapeHtml(operation.description ?? '')}</p><table>${table}</table>${tryIt}</details>`
  );
}

/** A link to the schema that a media type refers to. */
function link(media: unknown): string {
  const reference = /"#\/components\/schemas\/(\w+)"/.exec(JSON.stringify(media))?.[1];
  return reference === undefined ? '' : `<a href="#${reference}">${reference}</a>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

export type { Described };

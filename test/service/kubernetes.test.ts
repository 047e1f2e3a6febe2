// The Helm chart, rendered by Helm: the manifests are valid for Kubernetes, KEDA and the Prometheus Operator, their settings are
// ones that the programs take, and its autoscaler's query gives a value of a service that a real Prometheus scrapes.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { tft } from '../cli/tft.js';
import { constantInputs } from '../fixtures/bundles.js';
import { isPrometheusHere, prometheus } from './prometheus-server.js';
import { ask, inferJson, running, until } from './running.js';

const CHART = fileURLToPath(new URL('../../docker/helm/tft-tensorrt', import.meta.url));
const FLEET = fileURLToPath(new URL('../../docker/fleet.kubernetes.yaml', import.meta.url));
const found = spawnSync(fileURLToPath(new URL('../../scripts/kubernetes-tools', import.meta.url)));
const tools = found.status === 0 ? found.stdout.toString().trim() : undefined;
if (tools === undefined) console.warn(`skipped: ${found.stderr}`);

interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  // biome-ignore lint/suspicious/noExplicitAny: what a manifest contains depends on its kind
  [key: string]: any;
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tft-chart-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** What `helm template` makes with these values. */
function render(values: object = {}) {
  const args = ['template', 'tft', CHART, '--namespace', 'forecasts', '-f', '-'];
  const { status, stdout, stderr } = spawnSync(`${tools}/bin/helm`, args, {
    input: JSON.stringify(values),
    encoding: 'utf8',
  });
  const manifests = status === 0 ? parseAllDocuments(stdout).map((one) => one.toJS() as Manifest) : [];
  const get = (kind: string, name: string) => {
    const manifest = manifests.find((one) => one.kind === kind && one.metadata.name === name);
    if (manifest === undefined) throw new Error(`there is no ${kind} ${name}: ${stderr}`);
    return manifest;
  };
  return { status, stdout, stderr, get, kinds: manifests.map(({ kind }) => kind).sort(), manifests };
}

/** Where the authors' schemas of further kinds are, by kind. */
const FURTHER: Readonly<Record<string, string>> = {
  ScaledObject: 'keda/keda.sh/v1alpha1/ScaledObject.js',
  ServiceMonitor: 'prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor.js',
};

/** What is wrong with manifests; '' when nothing is. */
async function mistakes(text: string): Promise<string> {
  const path = write('manifests.yaml', text);
  const { status, stdout, stderr } = spawnSync(
    `${tools}/bin/kubernetes-validate`,
    ['--strict', '--quiet', '--no-warn', path],
    { encoding: 'utf8' },
  );
  const messages = status === 0 ? [] : [`${stdout}${stderr}`];
  for (const manifest of parseAllDocuments(text).map((one) => one.toJS() as Manifest)) {
    const schema = FURTHER[manifest.kind];
    if (schema === undefined) continue;
    const module = await import(pathToFileURL(`${tools}/node_modules/@kubernetes-models/${schema}`).href);
    try {
      new module[manifest.kind](manifest).validate();
    } catch (error) {
      messages.push((error as Error).message);
    }
  }
  return messages.join('\n');
}

const TRITON = {
  server: { kind: 'triton', models: { persistentVolumeClaim: { claimName: 'tft-models' } } },
  monitoring: { kind: 'serviceMonitor', labels: { release: 'prometheus' } },
};
const GPU = {
  server: {
    models: { persistentVolumeClaim: { claimName: 'models' } },
    cache: { persistentVolumeClaim: { claimName: 'engines' } },
    settings: { model: '/models/mine', backend: 'tensorrt', precision: 'fp16' },
    autoscaling: { enabled: false },
    resources: { limits: { 'nvidia.com/gpu': 1 } },
    nodeSelector: { 'nvidia.com/gpu.product': 'NVIDIA-H200' },
    tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists' }],
  },
  fleet: { replicas: 2, storage: { className: 'fast' } },
  imagePullSecrets: [{ name: 'registry' }],
};

describe.skipIf(tools === undefined)('the Helm chart', () => {
  const ALWAYS = [
    'PodDisruptionBudget',
    'PodDisruptionBudget',
    'Secret',
    'Service',
    'Service',
    'StatefulSet',
  ];
  it.each([
    ['its own values', {}, ['ConfigMap', 'Deployment', 'ScaledObject', ...ALWAYS]],
    ['Triton', TRITON, ['Deployment', 'ScaledObject', 'ServiceMonitor', 'ServiceMonitor', ...ALWAYS]],
    ['GPUs and no autoscaler', GPU, ['ConfigMap', 'Deployment', ...ALWAYS]],
    [
      'the daemon alone',
      { server: { enabled: false } },
      ['PodDisruptionBudget', 'Secret', 'Service', 'StatefulSet'],
    ],
  ])('is valid with %s', async (_, values, kinds) => {
    const rendered = render(values);
    expect(rendered.stderr).toBe('');
    expect(rendered.kinds).toEqual([...kinds].sort());
    expect(await mistakes(rendered.stdout)).toBe('');
  });

  it('is refused by the same check when a field is wrong', async () => {
    const { stdout } = render(TRITON);
    const broken = (from: string, to: string) => {
      expect(stdout).toContain(from);
      return mistakes(stdout.replaceAll(from, to));
    };
    expect(await broken('maxUnavailable', 'maxUnavailible')).toContain('maxUnavailible');
    expect(await broken('maxReplicaCount: 8', 'maxReplicaCount: eight')).toContain('maxReplicaCount');
    expect(await broken('port: metrics', 'port: 8002')).toContain('port');
  });

  it('refuses a misspelt value, and Triton without models', () => {
    expect(render({ server: { replica: 3 } }).stderr).toContain(
      "additional properties 'replica' not allowed",
    );
    expect(render({ server: { kind: 'triton' } }).stderr).toContain('server.models must name the volume');
  });

  it('gives settings and rules that the programs take', async () => {
    const rendered = render();
    const settings = write('server.json', rendered.get('ConfigMap', 'tft-server').data['settings.json']);
    const server = await tft(['serve', '--print-config', '--config', settings]);
    expect(server.stderr).toBe('');
    expect(JSON.parse(server.stdout)).toMatchObject({ openMetrics: true, drainDelayMs: 5000 });

    const { stringData } = rendered.get('Secret', 'tft-fleet');
    const rules = write('rules.json', stringData['rules.json']);
    const config = write('fleet.json', stringData['settings.json']);
    const [container] = rendered.get('StatefulSet', 'tft-fleet').spec.template.spec.containers;
    const named: [string, string][] = container.env.map(
      ({ name, value }: { name: string; value: string }) => [name, value],
    );
    const env = {
      ...Object.fromEntries(named.filter(([name]) => name.startsWith('TFT_FLEET_'))),
      TFT_FLEET_RULES: rules,
      TFT_SERVE_CONFIG: config,
    };
    const fleet = await tft(['fleet', '--print-config', '--shard', '1/4'], { env });
    expect(fleet.stderr).toBe('');
    expect(fleet.stdout).toContain('http://prometheus.monitoring:9090');
    const checked = await tft(['alerts', 'check', rules]);
    expect(checked.stderr).toBe('');
    expect(checked.stdout).toContain('cpu full');
    expect(JSON.parse(stringData['rules.json']).notify.alertmanager).toEqual([
      { url: 'http://alertmanager.monitoring:9093' },
    ]);
  });

  it('gives each shard to as many pods as it has replicas', () => {
    const { spec } = render({ fleet: { shards: 3, replicas: 2 } }).get('StatefulSet', 'tft-fleet');
    expect(spec.replicas).toBe(6);
    const [, shard] = /--shard (".*")$/.exec(spec.template.spec.containers[0].args[0]) as RegExpExecArray;
    const taken = Array.from({ length: spec.replicas }, (_, pod) =>
      spawnSync('/bin/sh', ['-c', `echo ${shard}`], {
        env: { HOSTNAME: `tft-fleet-${pod}` },
        encoding: 'utf8',
      }).stdout.trim(),
    );
    expect(taken).toEqual(['1/3', '2/3', '3/3', '1/3', '2/3', '3/3']);
  });

  it('scales by metrics that the service has', async () => {
    const { query } = render().get('ScaledObject', 'tft-server').spec.triggers[0].metadata;
    const names = new Set<string>(query.match(/nv_\w+/g));
    expect(names.size).toBe(2);
    await using tiny = await running();
    const metrics = (await ask(`${tiny.url}/metrics`)).bytes.toString();
    for (const name of names) expect(metrics).toMatch(new RegExp(`^${name}\\{`, 'm'));
  });

  it.skipIf(!isPrometheusHere)(
    'scales by the time in the queue, and by nothing when Prometheus knows no pod',
    async () => {
      const { query } = render().get('ScaledObject', 'tft-server').spec.triggers[0].metadata;
      await using tiny = await running({ openMetrics: true });
      const labels = { namespace: 'forecasts', pod: 'tft-server-5d8c7b9f4-x2k9q' };
      await using server = await prometheus(tiny.url.replace('http://', ''), labels);
      await until(async () => (await server.value(query)) === 0);
      expect(await server.value(query.replaceAll('forecasts', 'elsewhere'))).toBeUndefined();
      // A rate needs a change between two scrapes.
      await until(async () => {
        await ask(`${tiny.url}/v2/models/tiny/infer`, { body: inferJson(constantInputs(4)) });
        return ((await server.value(query)) ?? 0) > 0;
      });
    },
  );
});

it.skipIf(tools === undefined)('docker/fleet.kubernetes.yaml is valid', async () => {
  expect(await mistakes(readFileSync(FLEET, 'utf8'))).toBe('');
});

it('the chart has the version of the package', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8'))).toMatchObject({
    version,
    appVersion: version,
  });
});

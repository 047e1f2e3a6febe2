// Remote write: bodies as Prometheus makes them, and bodies that are none.
import protobuf from 'protobufjs/minimal.js';
import { compress } from 'snappyjs';
import { expect, test } from 'vitest';
import { RemoteWrite } from '../../src/fleet/sources/remote-write.js';
import { ask } from '../service/running.js';
import { runningFleet, START } from './running-fleet.js';

type Series = [labels: Record<string, string>, samples: [time: number, value: number][]];

function body(list: readonly Series[]): Buffer {
  const writer = protobuf.Writer.create();
  for (const [labels, samples] of list) {
    writer.uint32(10).fork();
    for (const [name, value] of Object.entries(labels)) {
      writer.uint32(10).fork().uint32(10).string(name).uint32(18).string(value).ldelim();
    }
    for (const [time, value] of samples) {
      writer.uint32(18).fork().uint32(9).double(value).uint32(16).int64(time).ldelim();
    }
    writer.ldelim();
  }
  return Buffer.from(compress(writer.finish()));
}

const HEADERS = { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf' };

test('series named as the metrics become samples; what is sent again counts once; other series are left out', async () => {
  await using running = await runningFleet();
  const { fleet, url } = running;
  const [first, second, third] = fleet.model.metrics.map(({ name }) => name);
  const request = body([
    [
      { __name__: `tft_input:${first}`, instance: 'web' },
      [
        [START, 10],
        [START + 1000, 20],
      ],
    ],
    [
      { __name__: second as string, instance: 'web' },
      [
        [START, 1],
        [START + 1000, 3],
      ],
    ],
    [
      { __name__: third as string, instance: 'web' },
      [
        [START, 5],
        [START + 1000, Number.NaN],
      ],
    ],
    [{ __name__: 'up', instance: 'web' }, [[START, 1]]],
  ]);
  running.clock.set(START + 5000);
  for (let time = 0; time < 2; time++) {
    expect((await ask(`${url}/api/v1/write`, { body: request, headers: HEADERS })).status).toBe(204);
  }
  expect(fleet.intake.counters).toMatchObject({ accepted: 2, repeated: 0 });
  const { values } = fleet.ring.copyStep(fleet.ring.open, 1);
  expect([...values]).toEqual([15, 2, 5]);
});

test('a body with very many fields is read in turns with other work', async () => {
  await using running = await runningFleet();
  const receiver = new RemoteWrite(running.fleet, 'instance');
  const ended = { isSo: false };
  let held = 0;
  const hold = (bytes: number) => {
    held += bytes;
  };
  // A megabyte of empty series.
  const bytes = Buffer.from(compress(Buffer.from('0a00'.repeat(2 ** 19), 'hex')));
  const reading = receiver.take(bytes, hold).finally(() => {
    ended.isSo = true;
  });
  let turns = 0;
  for (; !ended.isSo; turns++) await new Promise((resolve) => setImmediate(resolve));
  await reading;
  expect(turns).toBeGreaterThan(50);
  expect(held).toBe(2 ** 20);
});

test('a body with more samples than there is room for is refused as a whole, and can be sent in parts', async () => {
  await using running = await runningFleet();
  const { fleet, url } = running;
  const labels = { __name__: fleet.model.metrics[0]?.name as string, instance: 'web' };
  const samples = (count: number): [number, number][] =>
    Array.from({ length: count }, (_, at) => [START + at, at]);
  const post = (list: readonly Series[]) =>
    ask(`${url}/api/v1/write`, { body: body(list), headers: HEADERS });
  running.clock.set(START + 5000);
  const refused = await post([
    [labels, samples(1)],
    [labels, samples(50_000)],
  ]);
  expect(refused).toMatchObject({ status: 413, json: { code: 'ERR_TFT_HTTP_TOO_LARGE' } });
  expect(fleet.intake.counters.accepted).toBe(0);
  expect((await post([[labels, samples(1)]])).status).toBe(204);
  expect(fleet.intake.counters.accepted).toBe(1);
  // What unpacks to more than there is room for is not unpacked.
  const large = Buffer.from(compress(Buffer.alloc(9 * 2 ** 20)));
  expect((await ask(`${url}/api/v1/write`, { body: large, headers: HEADERS })).status).toBe(400);
});

test('a body that is none is refused with a reason', async () => {
  await using running = await runningFleet();
  for (const bytes of [
    Buffer.from('hello'),
    Buffer.alloc(100, 255),
    Buffer.from(compress(Buffer.from([10, 200]))),
  ]) {
    const answer = await ask(`${running.url}/api/v1/write`, { body: bytes, headers: HEADERS });
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ code: 'ERR_TFT_HTTP_BODY' });
  }
  expect(running.fleet.roster.count).toBe(0);
});

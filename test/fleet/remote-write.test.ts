// Remote write: bodies as Prometheus makes them, and bodies that are none.
import protobuf from 'protobufjs/minimal.js';
import { compress } from 'snappyjs';
import { expect, test } from 'vitest';
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

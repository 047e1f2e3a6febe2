import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTimestamp, parseTimestamp } from '../../src/history/timestamp.js';

describe('a time stamp', () => {
  it.each([
    ['2013-07-31T22:05Z', '2013-07-31T22:05:00.000Z'],
    ['2013-07-31T22:05', '2013-07-31T22:05:00.000Z'],
    ['2013-07-31 22:05:30', '2013-07-31T22:05:30.000Z'],
    ['2013-07-31t22:05:30.25z', '2013-07-31T22:05:30.250Z'],
    ['2013-07-31 22:05:30,123456', '2013-07-31T22:05:30.123Z'],
    ['2013-08-01T00:05:00+02:00', '2013-07-31T22:05:00.000Z'],
    ['2013-07-31T17:35-0430', '2013-07-31T22:05:00.000Z'],
    ['2013-08-01 06:05+08', '2013-07-31T22:05:00.000Z'],
    ['2024-02-29T12:00Z', '2024-02-29T12:00:00.000Z'],
    ['2000-02-29T12:00Z', '2000-02-29T12:00:00.000Z'],
    ['1969-12-31T23:59Z', '1969-12-31T23:59:00.000Z'],
    ['1375308300', '2013-07-31T22:05:00.000Z'],
    ['1375308300.5', '2013-07-31T22:05:00.500Z'],
    ['1375308300250', '2013-07-31T22:05:00.250Z'],
  ])('%s is read', (text, expected) => {
    expect(new Date(parseTimestamp(text)).toISOString()).toBe(expected);
  });

  it.each([
    '',
    'yesterday',
    '2013-07-31',
    '2013-07-31T22',
    '2013-07-31T22:05 Z',
    '2013-07-31T22:05+2',
    '2013-07-31T22:05+15:00',
    '2013-07-31T24:00Z',
    '2013-07-31T22:60Z',
    '2013-07-31T22:05:60Z',
    '2013-07-31T22:05:00.Z',
    '2013-02-29T22:05Z',
    '1900-02-29T22:05Z',
    '2013-13-01T22:05Z',
    '2013-00-01T22:05Z',
    '2013-07-32T22:05Z',
    '2013/07/31 22:05',
    '31.07.2013 22:05',
    '2013-07-31T22:05ZZ',
    '201307312205',
    '1',
    '-1375308300',
    '1e12',
  ])("'%s' is refused", (text) => {
    expect(parseTimestamp(text)).toBeNaN();
  });

  it('survives being written and read, whatever the time and zone', () => {
    const offsets = fc.integer({ min: -14 * 60, max: 14 * 60 });
    const dates = fc.date({ min: new Date('0001-01-02'), max: new Date('9999-12-30'), noInvalidDate: true });
    fc.assert(
      fc.property(dates, offsets, (date, offset) => {
        expect(parseTimestamp(date.toISOString())).toBe(date.getTime());
        expect(parseTimestamp(formatTimestamp(date))).toBe(date.getTime());
        const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
        const two = (value: number) => String(value).padStart(2, '0');
        const size = Math.abs(offset);
        const zone = `${offset < 0 ? '-' : '+'}${two(Math.trunc(size / 60))}:${two(size % 60)}`;
        expect(parseTimestamp(local + zone)).toBe(date.getTime());
      }),
    );
  });
});

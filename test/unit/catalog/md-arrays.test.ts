import { expect, test } from 'vitest';
import { mdArrays } from '../../../src/catalog/parsers/disk/md-arrays.ts';

// What the recordings do not show. The lines are those of md_status of the kernel (drivers/md/md.c).
test.each([
  ['      [=>...]  recovery =  6.2% (131072/2094080) finish=0.4min speed=65536K/sec', 'recovery', 6.2],
  ['      	resync=DELAYED', 'resync DELAYED', undefined],
  ['      bitmap: 0/1 pages [0KB], 65536KB chunk', 'none', undefined],
])('%s', (line, activity, percent) => {
  const mdstat = `Personalities : [raid1]\nmd0 : active raid1 sdb1[1] sda1[0](F)\n      2094080 blocks [2/1] [_U]\n${line}\n`;
  expect(mdArrays(new Map([['mdstat', mdstat]]), new Map())).toMatchObject({
    degraded_arrays: 'md0',
    failed_members: 'sda1',
    array_list: [{ activity, activity_percent: percent }],
  });
});

test('an answer that is none is no array', () => {
  for (const mdstat of ['', 'Personalities : \nunused devices: <none>\n', 'md0 : \u0000'])
    expect(mdArrays(new Map([['mdstat', mdstat]]), new Map())).toMatchObject({ arrays: 0, degraded: 0 });
});

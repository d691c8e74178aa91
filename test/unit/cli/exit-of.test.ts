import { expect, test } from 'vitest';
import { exitOfLook, exitOfView } from '../../../src/cli/exit-of.ts';
import type { LookReport, ReadStatus } from '../../../src/request/desk.ts';
import type { State } from '../../../src/request/types.ts';
import { readResult } from '../../support/read-result.ts';
import { sampleView } from './sample-request.ts';

test.each<[State, number]>([
  ['SUCCEEDED', 0],
  ['FAILED', 1],
  ['VERIFY_FAILED', 1],
  ['REFUSED_BY_TARGET', 3],
  ['STALE', 3],
  ['PENDING', 4],
  ['EXPIRED', 4],
  ['UNKNOWN', 6],
  ['SENT_NO_RETURN', 6],
])('%s exits with %i', (state, code) => {
  expect(exitOfView(sampleView({ state }))).toBe(code);
});

const report = (...statuses: ReadStatus[]): LookReport => ({
  results: statuses.map((status) => readResult({ status, exit: null })),
  summary: '',
  differences: [],
});

test.each<[ReadStatus[], number]>([
  [['ok', 'ok'], 0],
  [['ok', 'not_present'], 0],
  [['ok', 'failed'], 1],
  [['timeout', 'unreachable'], 5],
  [['unreachable', 'refused', 'ok'], 3],
  [[], 0],
])('look with %j exits with %i', (statuses, code) => {
  expect(exitOfLook(report(...statuses))).toBe(code);
});

import type { ReadResult } from '../../src/request/desk.ts';

/** The result of a diagnostic that told nothing, with what a test is about in its place. */
export const readResult = (more: Partial<ReadResult> = {}): ReadResult => ({
  host: 'web1',
  diagnostic: 'uptime',
  definition: '0'.repeat(64),
  status: 'ok',
  exit: 0,
  duration_ms: 1,
  collected_at: '2026-11-21T04:00:00Z',
  clock_offset_ms: null,
  facts: {},
  text: '',
  truncated: false,
  left_out: null,
  redactions: 0,
  suspicious: [],
  next_cursor: null,
  hint: null,
  code: null,
  ...more,
});

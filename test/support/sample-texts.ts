import type { Draft, Offer, Receipt, Ticket } from '../../src/request/types.ts';

// One valid value of each text of docs/wire-protocol.md §3. No key signed these.

const HEX = '0123456789abcdef'.repeat(4);
const OTHER_HEX = 'fedcba9876543210'.repeat(4);
const HOST_KEY = `SHA256:${'Ab1+/'.repeat(8)}xyz`;
const BOOT = '3f0c9e3a-7a55-4f0e-9d6c-0d5e8f1a2b3c';

export const sampleDraft: Draft = {
  id: 'abcdefghij234567',
  host: 'web1.example',
  action: 'restart_service',
  args: [
    ['mode', 'soft'],
    ['unit', 'cron.service'],
  ],
  impact: 'LOW',
  mode: 'run',
  requester: 'alice@example/claude-desktop',
};

const { requester: _, ...drafted } = sampleDraft;

export const sampleOffer: Offer = {
  ...drafted,
  hostKey: HOST_KEY,
  definition: HEX,
  requires: { count: 1, namespace: 'mcp-pra-low', signer: 'software-key' },
  rule: 'definition LOW, 1 signature',
  auto: true,
  argvDigest: OTHER_HEX,
  argv: ['/usr/bin/systemctl', 'restart', '--', 'cron.service', '100 % é'],
  files: [{ sha256: HEX, path: '/usr/bin/systemctl' }],
  facts: [
    { diagnostic: 'unit_status', fact: 'active_state', value: 'active' },
    { diagnostic: 'unit_status', fact: 'load_state', value: undefined },
  ],
  bootId: BOOT,
  boottimeMs: 123_456_789,
  wallclock: '2026-11-20T10:00:00Z',
};

export const sampleTicket: Ticket = {
  ...sampleDraft,
  kind: 'action',
  hostKey: HOST_KEY,
  definition: HEX,
  approval: 'normal',
  incident: undefined,
  offer: OTHER_HEX,
  plan: undefined,
  issued: '2026-11-20T10:00:00Z',
  expires: '2026-11-20T10:05:00Z',
  reason: 'cron is stuck: 100 % of jobs are late, é',
  ledger: HEX,
};

export const sampleReceipt: Receipt = {
  id: sampleDraft.id,
  host: sampleDraft.host,
  hostKey: HOST_KEY,
  action: sampleDraft.action,
  ticket: HEX,
  state: 'SUCCEEDED',
  rc: 0,
  claimed: '2026-11-20T10:01:00Z',
  started: '2026-11-20T10:01:00Z',
  finished: '2026-11-20T10:01:02Z',
  durationMs: 2_000,
  output: { sha256: OTHER_HEX, bytes: 12 },
  verified: true,
  evidence: [
    { diagnostic: 'unit_status', fact: 'active_state', before: 'failed', after: 'active' },
    { diagnostic: 'unit_status', fact: 'main_pid', before: undefined, after: '100 % é' },
  ],
  durable: true,
  bootId: BOOT,
  previous: undefined,
};

export const sampleQuery = { id: sampleDraft.id, ticket: HEX, wait: 25, offset: 0 };

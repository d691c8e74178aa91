import type { ApprovalSheet, RequestView } from '../../../src/request/desk.ts';

const HASH = 'ab'.repeat(32);

/** A pending request as the desk shows it; `patch` changes what a test is about. */
export const sampleView = (patch: Partial<RequestView> = {}): RequestView => ({
  id: 'abcdefghij234567',
  state: 'PENDING',
  terminal: false,
  host: 'web1',
  action: 'reload_proxy',
  args: { proxy: 'nginx' },
  impact: 'MEDIUM',
  requester: 'alice/claude-desktop',
  reason: 'nginx still serves the old certificate',
  rule: 'MEDIUM by the definition',
  decided_by: null,
  signed_by: [],
  signatures_needed: 1,
  decision_note: null,
  created_at: '2026-11-21T03:00:00.000Z',
  decide_by: '2026-11-21T03:05:00.000Z',
  seconds_left: 247,
  argv: ['/usr/local/lib/mcp-pra/scripts/reload-proxy', 'nginx'],
  refusal: null,
  warnings: [],
  taint: null,
  receipt: null,
  output: null,
  output_truncated: false,
  renew_of: null,
  undo_of: null,
  next: 'A person has to decide in a terminal: mcp-pra approve abcdefghij234567.',
  ...patch,
});

/** Its sheet: the offer of the host and the ticket. */
export const sampleSheet = (view: RequestView = sampleView()): ApprovalSheet => ({
  view,
  offer: {
    id: view.id,
    host: view.host,
    hostKey: `SHA256:${'k'.repeat(43)}`,
    action: view.action,
    args: Object.entries(view.args),
    definition: HASH,
    impact: view.impact,
    mode: 'run',
    requires: { count: 1, namespace: 'mcp-pra-medium', signer: 'software-key' },
    rule: 'MEDIUM by the definition',
    auto: false,
    argvDigest: HASH,
    argv: view.argv,
    files: [{ sha256: HASH, path: '/usr/local/lib/mcp-pra/scripts/reload-proxy' }],
    facts: [
      { diagnostic: 'unit_status', fact: 'load_state', value: 'loaded' },
      { diagnostic: 'unit_status', fact: 'sub_state', value: undefined },
    ],
    bootId: '00000000-0000-4000-8000-000000000000',
    boottimeMs: 1,
    wallclock: '2026-11-21T03:00:00Z',
  },
  offerText: { text: '', signature: '' },
  ticket: `mcp-pra ticket v1\nkind action\nid ${view.id}\nhost web1\ndefinition sha256:${HASH}\n`,
  namespace: 'mcp-pra-medium',
  rules: '',
  effects: 'Whatever is in its configuration files now takes effect.',
  undo: 'Put the earlier files back and reload again.',
  verify: [
    {
      diagnostic: 'unit_status',
      args: { unit: 'nginx.service' },
      expect: [{ fact: 'active_state', op: 'eq', value: 'active' }],
      evidence: [],
      within: 30,
    },
  ],
  undoAction: { action: 'reload_proxy', args: { proxy: 'nginx' } },
});

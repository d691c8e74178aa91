import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EMBEDDED_CATALOG, startEmbeddedTarget } from '../support/embedded-target.ts';
import { changedCatalog } from '../support/changed-catalog.ts';
import { operatorOn } from '../support/operator-on-target.ts';
import type { McpSession } from '../support/operator.ts';

test('the configuration gives a diagnostic a tool of its own, and takes it away; run_diagnostic has all of them', async () => {
  await using target = await startEmbeddedTarget();
  let homes = 0;
  const open = (more: Record<string, unknown>): Promise<McpSession> =>
    operatorOn(target, EMBEDDED_CATALOG, { name: `home-${String((homes += 1))}`, more }).serve();
  const tools = async (more: Record<string, unknown>): Promise<readonly string[]> => {
    const session = await open(more);
    try {
      return (await session.client.listTools()).tools.map((tool) => tool.name);
    } finally {
      await session.close();
    }
  };
  const plain = await tools({ promote: [] });
  expect(plain).toContain('uptime');
  expect(plain).not.toContain('demo_sleep');
  expect(await tools({ promote: ['demo_sleep'] })).toEqual(expect.arrayContaining(['demo_sleep', 'uptime']));
  expect(await tools({ promote: [], demote: ['uptime'] })).toEqual(plain.filter((name) => name !== 'uptime'));

  const session = await open({ promote: [], demote: ['uptime'] });
  try {
    const call = { hosts: [target.name] };
    const gone = await session.call('uptime', call);
    expect(gone).toMatchObject({ isError: true, text: expect.stringContaining('Rule: mcp TOOL_NOT_LISTED') });
    expect(gone.text).toContain('run_diagnostic with diagnostic: uptime');
    const ran = await session.call('run_diagnostic', { diagnostic: 'uptime', ...call });
    expect(ran.data['results']).toMatchObject([{ host: target.name, diagnostic: 'uptime', status: 'ok' }]);
  } finally {
    await session.close();
  }
});

test('a configuration that promotes more than fits into the list is refused with the number of bytes', async () => {
  await using target = await startEmbeddedTarget();
  using catalog = changedCatalog((folder) => {
    for (let index = 0; index < 60; index += 1) {
      const name = `demo_much_${String(index)}`;
      writeFileSync(join(folder, `diagnostics/${name}.yaml`), MUCH.replace('NAME', name));
    }
  });
  const operator = operatorOn(target, catalog.site, { more: { promote: [] } });
  const session = await operator.serve();
  try {
    const { text, isError } = await session.call('list_hosts');
    expect(isError).toBe(true);
    expect(text).toMatch(/would have \d{5} bytes with 6\d promoted diagnostics; at most 16384/u);
    expect(text).toContain('Rule: config LISTING_TOO_LARGE');
  } finally {
    await session.close();
  }
  const doctor = await operator.cli('doctor');
  expect(doctor.stdout).toMatch(/would have \d{5} bytes/u);
  // Whoever works at the terminal is not stopped by a list that only models read.
  expect((await operator.cli('pending')).code).toBe(0);
});

const MUCH = `name: NAME
title: Much of it
summary: One of many diagnostics that are all promoted.
run:
  - section: much
    argv: [/usr/bin/true]
parse: lines
facts:
  lines: {type: integer, help: Lines.}
limits: {seconds: 5, bytes: 4096}
promote: true
`;

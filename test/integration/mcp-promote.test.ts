import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EMBEDDED_CATALOG, startEmbeddedTarget } from '../support/embedded-target.ts';
import { makeOperator } from '../support/operator.ts';

test('a diagnostic that is not promoted by its definition gets its tool by the configuration', async () => {
  await using target = await startEmbeddedTarget();
  const home = mkdtempSync(join(tmpdir(), 'mcp-pra-promote-'));
  const tools = async (promote: readonly string[]): Promise<readonly string[]> => {
    const operator = makeOperator({
      home: mkdtempSync(join(home, 'operator-')),
      hosts: { [target.name]: { address: target.address, port: target.port } },
      keys: { reader: target.readerKey, runner: target.runnerKey },
      knownHosts: target.knownHostsPath,
      more: { catalog: { builtin: false, dirs: [EMBEDDED_CATALOG] }, promote },
    });
    const session = await operator.serve();
    try {
      return (await session.client.listTools()).tools.map((tool) => tool.name);
    } finally {
      await session.close();
    }
  };
  try {
    expect(await tools([])).not.toContain('demo_sleep');
    expect(await tools(['demo_sleep'])).toContain('demo_sleep');
  } finally {
    rmSync(home, { recursive: true });
  }
});

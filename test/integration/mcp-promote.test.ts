import { expect, test } from 'vitest';
import { EMBEDDED_CATALOG, startEmbeddedTarget } from '../support/embedded-target.ts';
import { operatorOn } from '../support/operator-on-target.ts';

test('a diagnostic that is not promoted by its definition gets its tool by the configuration', async () => {
  await using target = await startEmbeddedTarget();
  const tools = async (promote: readonly string[]): Promise<readonly string[]> => {
    const session = await operatorOn(target, EMBEDDED_CATALOG, {
      name: `home-${String(promote.length)}`,
      more: { promote },
    }).serve();
    try {
      return (await session.client.listTools()).tools.map((tool) => tool.name);
    } finally {
      await session.close();
    }
  };
  expect(await tools([])).not.toContain('demo_sleep');
  expect(await tools(['demo_sleep'])).toContain('demo_sleep');
});

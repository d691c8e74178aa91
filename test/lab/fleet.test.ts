import { afterAll, beforeAll, expect, test } from 'vitest';
import { sshAs } from '../support/thief.ts';
import { runPlaybook } from './lab.ts';
import { provisionedLab } from './provisioned.ts';

// Three hosts go from bare to verified with one command, and change nothing on the second run.

let fleet: Awaited<ReturnType<typeof provisionedLab>>;
beforeAll(async () => {
  fleet = await provisionedLab(3);
});
afterAll(async () => await fleet?.lab.down());

test('each host answers on both channels with what was installed', async () => {
  for (const { name, address } of fleet.lab.hosts)
    for (const [account, key] of [
      ['mcp-reader', fleet.keys.reader],
      ['pra-runner', fleet.keys.runner],
    ] as const) {
      const loot = { host: name, address, port: 22, knownHosts: fleet.lab.knownHosts, key };
      const said = await sshAs(loot, account, ['version']);
      expect(said, `${name} ${account}: ${said.stderr}`).toMatchObject({ code: 0 });
      expect(said.stdout).toMatch(/^mcp-pra 1/u);
    }
});

test('the second run verifies every host and changes nothing', async () => {
  const run = await runPlaybook(fleet.lab, 'provision.yml', fleet.vars);
  expect(run.code, run.output).toBe(0);
  expect(run.changed).toEqual({ h1: 0, h2: 0, h3: 0 });
  for (const { name } of fleet.lab.hosts)
    expect(run.output.split('Run the stage verify')).toSatisfy((parts: string[]) =>
      parts.slice(1).some((part) => part.includes(`ok: [${name}]`)),
    );
});

test('a check of all of them says the same', async () => {
  const run = await runPlaybook(fleet.lab, 'provision.yml', fleet.vars, { check: true });
  expect(run.code, run.output).toBe(0);
  expect(run.changed).toEqual({ h1: 0, h2: 0, h3: 0 });
});

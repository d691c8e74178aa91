import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { approveSteps } from '../support/operator.ts';
import { DEMO_UNIT, PASSPHRASE, publicKey, SPARE_UNIT } from './provisioned.ts';
import { isRevoked, publicLine, rotationSite, type RotationSite } from './rotation-site.ts';

// A person's key: both keys approve in between, then the old one nowhere. On three hosts, with tickets that pra-run judges.

vi.setConfig({ testTimeout: 400_000 });

let site: RotationSite;

beforeAll(async () => {
  site = await rotationSite();
});
afterAll(async () => {
  await site?.down();
});

const NEW_PASSPHRASE = `new ${PASSPHRASE}`;
const signers = (): Promise<string[]> =>
  Promise.all(
    site.hosts.map(
      async (host) =>
        (await host.readFile('/etc/mcp-pra/allowed_signers')).match(/^alice .*$/gmu)?.join('\n') ?? '',
    ),
  );
const statement = (): string => join(dirname(site.operator.config), 'approver-rotation-alice.txt');
const given = () => ({ mcp_pra_rotate_statement: statement() });

/** A request, and the person who approves it at the terminal: how it ended. */
const approved = async (unit: string, passphrase: string): Promise<string> => {
  const filed = await site.session.call('propose_pra_action', {
    action: 'restart_service',
    host: 'h2',
    args: { unit },
    rationale: 'The test says so.',
    auto_approve: false,
  });
  const typed = await site.operator.typed(['approve', filed.data['id'] as string], approveSteps(passphrase));
  return /SUCCEEDED|SIGNER_REVOKED|SIGNER_UNKNOWN/u.exec(typed.screen)?.[0] ?? typed.screen;
};

test('begin: the person makes the new key, and both sign; a host believes nothing less', async () => {
  const begun = await site.operator.typed(
    ['rotation', 'approver', 'begin'],
    [
      { expect: 'Enter passphrase[^:]*: ', send: `${NEW_PASSPHRASE}\n` },
      { expect: 'Enter same passphrase[^:]*: ', send: `${NEW_PASSPHRASE}\n` },
      { expect: 'of the old key', send: `${PASSPHRASE}\n` },
      { expect: 'of the new key', send: `${NEW_PASSPHRASE}\n` },
    ],
  );
  expect(begun.code, begun.screen).toBe(0);
  expect(begun.screen).not.toContain(PASSPHRASE);
  expect(existsSync(`${site.keys.approver}.next`)).toBe(true);
  const before = await signers();

  const forged = join(site.home, 'forged.txt');
  const whole = readFileSync(statement(), 'utf8');
  const byNew = /^new-signature (.*)$/mu.exec(whole)?.[1] ?? '';
  writeFileSync(forged, whole.replace(/^old-signature .*$/mu, `old-signature ${byNew}`));
  const refused = await site.rotate('approvers', { mcp_pra_rotate_statement: forged });
  expect(refused.code).not.toBe(0);
  expect(refused.output).toMatch(/is not signed by SHA256:[^]*Nothing was changed anywhere/u);
  expect(await signers()).toEqual(before);
});

test('killed before the person switches: both keys approve, on hosts that take one and hosts that take both', async () => {
  const killed = await site.killAt('approvers', 'approver switch', given());
  expect(killed.code, killed.output).not.toBe(0);
  const [old, next] = [publicKey(site.keys.approver), publicKey(`${site.keys.approver}.next`)];
  for (const lines of await signers()) {
    expect(lines.split('\n').map((line) => line.split(' ').slice(2).join(' '))).toEqual([old, next]);
  }
  expect(await approved(DEMO_UNIT, PASSPHRASE)).toBe('SUCCEEDED');
});

test('the old key is revoked on every host, the new one approves, and provisioning is told', async () => {
  const old = join(site.home, 'old-approver');
  for (const end of ['', '.pub']) copyFileSync(`${site.keys.approver}${end}`, `${old}${end}`);
  const vars = join(site.home, 'provision-vars.yml');
  writeFileSync(
    vars,
    `mcp_pra_allowed_signers:\n  - alice namespaces="mcp-pra-low" ${publicKey(old)} laptop\n`,
  );
  const done = await site.rotate('approvers', { ...given(), mcp_pra_rotate_vars: vars });
  expect(done.code, done.output).toBe(0);
  const now = publicKey(site.keys.approver);
  expect(now).not.toBe(publicKey(old));
  expect(readFileSync(vars, 'utf8')).toBe(
    `mcp_pra_allowed_signers:\n  - alice namespaces="mcp-pra-low" ${now} laptop\n`,
  );
  for (const lines of await signers()) expect(lines.split(' ').slice(2).join(' ')).toBe(now);
  for (const host of site.hosts) {
    expect(await isRevoked(host, 'revoked_signers', publicLine(old))).toBe(true);
    expect(await isRevoked(host, 'revoked_signers', now)).toBe(false);
  }
  expect([existsSync(`${site.keys.approver}.previous`), existsSync(statement())]).toEqual([false, false]);
  expect(await approved(SPARE_UNIT, NEW_PASSPHRASE)).toBe('SUCCEEDED');
  // The old key again, in the same hands: hosts refuse what it signs.
  for (const end of ['', '.pub']) copyFileSync(`${old}${end}`, `${site.keys.approver}${end}`);
  expect(await approved('cron.service', PASSPHRASE)).toMatch(/SIGNER_(?:REVOKED|UNKNOWN)/u);
});

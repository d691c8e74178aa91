import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../../config.ts';
import { fingerprint } from '../../request/sshsig.ts';
import { say } from '../say.ts';
import type { Order } from './order.ts';
import type { AccountProof, HostProof } from './host-proof.ts';
import type { HostOutcome } from './revoke-fleet.ts';

const KEY = {
  refused: 'revoke.key_refused',
  unseen: 'revoke.key_unseen',
  ACCEPTED: 'revoke.key_accepted',
  unasked: 'revoke.key_unasked',
  failed: 'revoke.key_failed',
} as const satisfies Record<HostProof['key'], string>;

const ACCOUNT = {
  works: 'revoke.account_works',
  revoked: 'revoke.account_revoked',
  closed: 'revoke.account_closed',
  FAILS: 'revoke.account_fails',
} as const satisfies Record<Exclude<AccountProof, `untried ${string}`>, string>;

const accountWords = (account: string, proof: AccountProof): string => {
  const known = Object.entries(ACCOUNT).find(([state]) => state === proof)?.[1];
  return known === undefined
    ? say('revoke.account_untried', { account, what: proof.replace('untried ', '') })
    : say(known, { account });
};

/** What a person reads of one host. */
export const hostLines = (outcome: HostOutcome): readonly string[] => {
  const { host, state, error, seconds, proof, ended } = outcome;
  if (state === 'failed') return [say('revoke.host_failed', { host, error: error ?? '' })];
  if (state === 'unreachable') return [say('revoke.host_unreachable', { host })];
  if (state === 'missing') return [say('revoke.host_missing', { host })];
  const detail =
    proof === null
      ? [say('revoke.unproven_here')]
      : [
          say(KEY[proof.key]),
          proof.before === 'none'
            ? say('revoke.before_none', { count: ended })
            : say(proof.before === 'dead' ? 'revoke.before_dead' : 'revoke.before_alive'),
          accountWords('reader', proof.reader),
          accountWords('runner', proof.runner),
        ];
  return [say('revoke.host', { host, seconds: seconds.toFixed(1), detail: detail.join('; ') })];
};

/** What a person still has to know or do after a revocation. */
export const notes = (of: {
  readonly config: Config;
  readonly order: Order;
  readonly hosts: readonly HostOutcome[];
}): readonly string[] => {
  const { config, order, hosts } = of;
  const done = hosts.filter(({ state }) => state === 'revoked');
  const isListed = done.some(({ listed }) => listed);
  const revoked = new Set([...order.keys, ...hosts.flatMap(({ found }) => found)]);
  return [
    ...(done.length > 0 && !isListed && order.keys.length > 0 ? [say('revoke.unlisted')] : []),
    ...(done.length > 0 && !isListed
      ? order.approvers.map((name) => say('revoke.approver_unlisted', { name }))
      : []),
    ...done.flatMap(({ host, left }) => [
      ...(left['mcp-reader'] === 0 ? [say('revoke.no_key_left', { host, account: 'reader' })] : []),
      ...(left['pra-runner'] === 0 ? [say('revoke.no_key_left', { host, account: 'runner' })] : []),
      ...(left['allowed_signers'] === 0 ? [say('revoke.no_person_left', { host })] : []),
    ]),
    ...filesThatName(config, order, revoked).map((path) => say('revoke.files', { path })),
  ];
};

/** Files for provisioning beside the configuration that still hold what was revoked, however the order named it. */
const filesThatName = (config: Config, order: Order, revoked: ReadonlySet<string>): readonly string[] => {
  const names = order.approvers.map((name) => `${name} namespaces=`);
  return ['provision-vars.yml', 'transport-keys.yml']
    .map((name) => join(dirname(config.path), name))
    .filter((path) => {
      const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
      const keys = [...text.matchAll(/\bAAAA[A-Za-z0-9+/]+={0,2}/gu)].map(([base64]) =>
        fingerprint(Buffer.from(base64, 'base64')),
      );
      return keys.some((key) => revoked.has(key)) || names.some((word) => text.includes(word));
    });
};

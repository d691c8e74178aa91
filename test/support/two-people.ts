import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprint } from '../../src/request/sshsig.ts';
import type { EnrolledForTest } from './authenticator.ts';
import { EMBEDDED_CATALOG, startEmbeddedTarget, type EmbeddedTarget } from './embedded-target.ts';
import { enrolOperator, inStore, makeOperator, type Operator } from './operator.ts';
import { makeKey } from './ssh-keys.ts';

/** A person with a machine of their own. */
export interface Person extends Operator {
  readonly principal: string;
  readonly passphrase: string;
  /** Fingerprint. */
  readonly key: string;
}

export interface TwoPeople {
  readonly target: EmbeddedTarget;
  readonly alice: Person;
  readonly bob: Person;
  /** Alice's machine with a configuration that has no approver: who asks by it signs nothing. */
  readonly server: Operator;
  /** Alice's machine, from which the target is away. */
  readonly away: Operator;
  /** Gives both a one-time password of which no code was used. */
  enrol(): Promise<{ readonly alice: EnrolledForTest; readonly bob: EnrolledForTest }>;
}

/** A target that asks for two, and two people with a home each below `home`, who hand each other files. Stop the target. */
export const twoPeople = async (home: string): Promise<TwoPeople> => {
  const target = await startEmbeddedTarget();
  target.writePolicy({ quorum: { MEDIUM: 2, HIGH: 2 } });
  const passphrase = `bob ${String(process.pid)} passphrase`;
  const bobsKey = makeKey(home, 'bob-key', { passphrase });
  const namespaces = 'namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high"';
  target.writeAllowedSigners([
    `alice ${namespaces} ${target.approver.line}`,
    `bob ${namespaces} ${bobsKey.line}`,
  ]);
  const operatorOf = (principal: string, key: string, port = target.port): Operator => {
    mkdirSync(join(home, principal), { recursive: true });
    return makeOperator({
      home: join(home, principal),
      hosts: { [target.name]: { address: target.address, port } },
      keys: { reader: target.readerKey, runner: target.runnerKey },
      approver: { principal, key },
      knownHosts: target.knownHostsPath,
      more: { catalog: { builtin: false, dirs: [EMBEDDED_CATALOG] } },
    });
  };
  const variant = (of: Operator, name: string, config: object): Operator => {
    const path = join(of.home, '.config/mcp-pra', name);
    writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
    const withIt = (argv: readonly string[]): string[] => [...argv, '--config', path];
    return {
      ...of,
      config: path,
      cli: (...argv) => of.cli(...withIt(argv)),
      typed: (argv, steps, seconds) => of.typed(withIt(argv), steps, seconds),
    };
  };
  const here = operatorOf('alice', target.approver.path);
  const alice = {
    ...here,
    principal: 'alice',
    passphrase: target.approver.passphrase,
    key: fingerprint(target.approver.blob),
  };
  const bob = {
    ...operatorOf('bob', bobsKey.path),
    principal: 'bob',
    passphrase,
    key: fingerprint(bobsKey.blob),
  };
  const { approver, ...config } = JSON.parse(readFileSync(here.config, 'utf8')) as Record<string, unknown>;
  const elsewhere = { [target.name]: { address: target.address, port: 1 } };
  return {
    target,
    alice,
    bob,
    server: variant(here, 'server.yaml', config),
    away: variant(here, 'away.yaml', { ...config, approver, hosts: elsewhere }),
    enrol: async () => ({ alice: await enrolAfresh(alice), bob: await enrolAfresh(bob) }),
  };
};

const enrolAfresh = async (person: Person): Promise<EnrolledForTest> => {
  const entry = { kind: 'note', code: 'OTP_REMOVED', actor: 'test/test' } as const;
  await inStore(person, (store) => store.otp.forget(person.principal, entry, undefined));
  return enrolOperator(person, person);
};

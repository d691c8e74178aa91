import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import type { Lab, LabHost } from '../lab/lab.ts';
import { authorityOf, PASSPHRASE, publicKey, type LabKeys } from '../lab/provisioned.ts';
import { sshAs, signWith, type Loot, type Said } from '../support/thief.ts';

export type Account = 'mcp-reader' | 'pra-runner';

/** A file that no legal request can make. Whatever an attack can run tries to. */
export const CANARY = '/var/tmp/attack-canary';

/** Where an attack takes place: one provisioned host, another beside it, and the keys the attacker may have stolen. */
export class Field {
  /** What was asked over ssh and what came back, for the oracle. */
  readonly asked: { readonly account: string; readonly line: string; readonly said: Said }[] = [];

  readonly lab: Lab;
  readonly keys: LabKeys;
  readonly host: LabHost;
  readonly other: LabHost;
  /** Private key of the authority whose certificates the hosts take. No attacker has it: rows make right and wrong certificates with it. */
  readonly authority: string;
  /** A folder of the attacker's own on this machine. */
  readonly dir: string;

  constructor(lab: Lab, keys: LabKeys, host: LabHost, other: LabHost, dir: string) {
    this.lab = lab;
    this.keys = keys;
    this.host = host;
    this.other = other;
    this.authority = authorityOf(keys);
    this.dir = dir;
  }

  loot(key: string, host: LabHost = this.host): Loot {
    const heard = (account: string, line: string, said: Said): void => {
      if (host === this.host) this.asked.push({ account, line, said });
    };
    return { host: host.name, address: host.address, port: 22, knownHosts: this.lab.knownHosts, key, heard };
  }

  /** `type base64` of the authority. */
  get authorityLine(): string {
    return publicKey(this.authority);
  }

  /** A request line on the reader channel with the stolen reader key. */
  read(line: string | undefined, input: string | Buffer = '', args: readonly string[] = []): Promise<Said> {
    return this.ask('mcp-reader', line, input, args);
  }

  /** A word on the runner channel with the stolen runner key. */
  act(word: string | undefined, input: string | Buffer = '', args: readonly string[] = []): Promise<Said> {
    return this.ask('pra-runner', word, input, args);
  }

  /** Any command as one of the two accounts, with the account's own key unless another is named. */
  async ask(
    account: Account,
    line: string | undefined,
    input: string | Buffer = '',
    args: readonly string[] = [],
    key: string = account === 'mcp-reader' ? this.keys.reader : this.keys.runner,
  ): Promise<Said> {
    // Plain requests share a connection a key: what an attack says with options of its own needs one of its own.
    const shared = args.length === 0 && line !== undefined;
    const options = shared ? ['-o', `ControlPath=${await this.#connection(account, key)}`] : args;
    return sshAs(this.loot(key), account, line === undefined ? [] : [line], input, options);
  }

  /** The socket of an open connection that requests can share; opened now if there is none. */
  async #connection(account: Account, key: string): Promise<string> {
    const path = join(this.dir, `${this.host.name}-${account}-${basename(key)}.ssh`);
    if (!existsSync(path)) {
      const { host, knownHosts } = this.loot(key);
      const options = [
        `ControlPath=${path}`,
        'ControlMaster=yes',
        'BatchMode=yes',
        'StrictHostKeyChecking=yes',
        `UserKnownHostsFile=${knownHosts}`,
        `HostKeyAlias=${host}`,
        'IdentitiesOnly=yes',
        'IdentityAgent=none',
        'ConnectTimeout=10',
      ];
      const argv = [
        '-F',
        '/dev/null',
        '-fN',
        '-i',
        key,
        ...options.flatMap((option) => ['-o', option]),
        `${account}@${this.host.address}`,
      ];
      // Nothing inherited: the master stays, and a pipe that it held open would never end.
      await once(spawn('ssh', argv, { stdio: 'ignore' }), 'exit');
    }
    return path;
  }

  /** Ends the shared connections: the next request is judged by what sshd's files say now. */
  async hangUp(): Promise<void> {
    const sockets = readdirSync(this.dir).filter(
      (name) => name.startsWith(`${this.host.name}-`) && name.endsWith('.ssh'),
    );
    for (const name of sockets) {
      const path = join(this.dir, name);
      if (existsSync(path))
        await promisify(execFile)('ssh', [
          '-F',
          '/dev/null',
          '-o',
          `ControlPath=${path}`,
          '-O',
          'exit',
          'x',
        ]).catch(() => {});
    }
  }

  /** A program on the host as one of the accounts: what an attacker could do who already runs code there. */
  async as(account: Account | 'admin' | 'nobody', argv: readonly string[], input = ''): Promise<Said> {
    return this.host.run(['runuser', '-u', account, '--', ...argv], { input });
  }

  /** A shell script on the host as root: the stage hand's, never the attacker's. Throws when it fails. */
  async stage(script: string, input = ''): Promise<string> {
    const { code, stdout, stderr } = await this.host.run(['/bin/sh', '-euc', script], { input });
    if (code !== 0) throw new Error(`the stage could not be set: ${script}\n${stderr}`);
    return stdout;
  }

  /** Alice's signature, as she would make it. */
  sign(text: string, namespace = 'mcp-pra-medium'): string {
    return signWith(this.keys.approver, namespace, text, PASSPHRASE);
  }

  /** Whether the canary file is there; it is gone afterwards. */
  async takeCanary(): Promise<boolean> {
    const { code } = await this.host.run(['/bin/sh', '-c', `[ -e ${CANARY} ] && rm -f ${CANARY}`]);
    return code === 0;
  }
}

/** All that an attacker sees of an answer, as one text. */
export const told = (...answers: readonly Said[]): string =>
  answers.map(({ code, stdout, stderr }) => `exit ${String(code)}\n${stderr}\n${stdout}`).join('\n');

import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PtyStep } from '../support/on-pty.ts';
import type { LabHost } from './lab.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PTY = readFileSync(join(ROOT, 'test/support/pty.py'), 'utf8');
const PARTS = ['dist', 'catalog', 'target-scripts', 'ansible', 'package.json', 'node_modules/better-sqlite3'];

/** The unix account on each of their machines: who asks there, without being one of the approvers. */
export const ACCOUNT = 'ops';
export const HOME = `/home/${ACCOUNT}`;

/** Somebody with an account, a configuration and a database on a machine of the lab. */
export class Person {
  readonly host: LabHost;
  readonly principal: string;

  constructor(host: LabHost, principal: string) {
    this.host = host;
    this.principal = principal;
  }

  /** Puts a file of theirs there. */
  async keep(path: string, content: string, mode = 0o600): Promise<void> {
    await this.host.writeFile(`${HOME}/${path}`, content, mode);
    await this.host.sh(`chown -R ${ACCOUNT}: ${HOME}`);
  }

  /** Runs mcp-pra without a terminal. */
  cli(...argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    return this.host.run([...this.#as(), 'node', '/opt/mcp-pra/dist/main.js', ...argv]);
  }

  /** Runs it at a terminal of that machine, and types. */
  async typed(
    argv: readonly string[],
    steps: readonly PtyStep[],
  ): Promise<{ code: number; screen: string; missed: string | null }> {
    const job = {
      argv: ['node', '/opt/mcp-pra/dist/main.js', ...argv],
      env: this.#env(),
      seconds: 120,
      steps,
    };
    const said = await this.host.run(['runuser', '-u', ACCOUNT, '--', 'python3', '-c', PTY], {
      input: JSON.stringify(job),
      timeoutMs: 150_000,
    });
    if (said.code !== 0) throw new Error(said.stderr);
    return JSON.parse(said.stdout) as { code: number; screen: string; missed: string | null };
  }

  #env(): Record<string, string> {
    return { HOME, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', TERM: 'xterm', NO_COLOR: '1' };
  }

  #as(): readonly string[] {
    const env = Object.entries(this.#env()).map(([key, value]) => `${key}=${value}`);
    return ['runuser', '-u', ACCOUNT, '--', 'env', '-i', ...env];
  }
}

/** Installs the program on their machine, with a configuration of these targets and their approver's key, and one without an approver (`server.yaml`). */
export const settle = async (
  person: Person,
  {
    targets,
    knownHosts,
    key,
  }: { readonly targets: readonly LabHost[]; readonly knownHosts: string; readonly key: string },
): Promise<void> => {
  const { host, principal } = person;
  const opt = join(host.rootDir, 'opt/mcp-pra');
  mkdirSync(opt, { recursive: true });
  for (const part of PARTS) cpSync(join(ROOT, part), join(opt, part), { recursive: true });
  cpSync(join(ROOT, 'node_modules/node/bin/node'), join(host.rootDir, 'usr/bin/node'));
  await host.sh(
    `useradd --create-home --shell /bin/sh ${ACCOUNT}; install -d -o ${ACCOUNT} -m 700 ${HOME}/.config/mcp-pra`,
  );
  const config = {
    version: 1,
    hosts: Object.fromEntries(targets.map(({ name, address }) => [name, { address }])),
    keys: { reader: 'reader', runner: 'runner' },
    known_hosts: 'known_hosts',
    approver: { principal, key: 'approver' },
  };
  const { approver: _, ...server } = config;
  const dir = '.config/mcp-pra';
  await person.keep(`${dir}/mcp-pra.yaml`, JSON.stringify(config));
  await person.keep(`${dir}/server.yaml`, JSON.stringify(server));
  await person.keep(`${dir}/known_hosts`, knownHosts);
  await person.keep(`${dir}/approver`, readFileSync(key, 'utf8'));
  await person.keep(`${dir}/approver.pub`, readFileSync(`${key}.pub`, 'utf8'));
};

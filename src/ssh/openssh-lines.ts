import { setMaxListeners } from 'node:events';
import { rm } from 'node:fs/promises';
import { PraError } from '../errors.ts';
import { CertificateLogins } from './certificate-logins.ts';
import type { HostAddress } from './host-address.ts';
import { hostKeyOrder, knownKeys } from './host-key.ts';
import type { AccountKey } from './identity.ts';
import { readKnownHosts } from './known-hosts.ts';
import { keyStamp } from './key-stamp.ts';
import { Line, type Opened } from './line.ts';
import type { LinesOptions } from './lines.ts';
import { jumpCarrier, tcpCarrier, type Carrier } from './openssh-carrier.ts';
import { clientConfig, knownHostsFor, masterConfig, type KeyFiles } from './openssh-config.ts';
import { startMaster } from './openssh-connect.ts';
import { OpensshConnection } from './openssh-connection.ts';
import { OpensshFolder } from './openssh-folder.ts';
import { OpensshKeys, type LoginKey } from './openssh-keys.ts';
import { opensshProgram } from './openssh-program.ts';
import { unreachable } from './unreachable.ts';

interface Target {
  readonly host: HostAddress;
  readonly account: 'reader' | 'runner' | 'jump';
  readonly key: AccountKey;
}

/** Stands for the key file where there is none. */
const CERTIFICATE = 'certificate';

/** As `Lines`, with the system's ssh: one line for each host and account, and one for each jump host. */
export class OpensshLines {
  readonly #options: LinesOptions;
  readonly #lines = new Map<string, Line<OpensshConnection>>();
  readonly #closing = new AbortController();
  readonly #keys: OpensshKeys;
  #logins: CertificateLogins | undefined;
  #folder: Promise<OpensshFolder> | undefined;
  #count = 0;

  constructor(options: LinesOptions) {
    this.#options = options;
    this.#keys = new OpensshKeys(() => this.#inFolder());
    // One listener for each connection that is being made.
    setMaxListeners(0, this.#closing.signal);
  }

  /** Throws HOST_UNKNOWN. */
  to(host: string, account: 'reader' | 'runner'): Line<OpensshConnection> {
    const { hosts, accounts } = this.#options;
    const address = hosts.get(host);
    if (address === undefined)
      throw new PraError('HOST_UNKNOWN', { hosts: [...hosts.keys()].slice(0, 20).join(', ') });
    return this.#line({ host: address, account, key: accounts[account] });
  }

  /** Ends every master and removes every file; nothing is left to other processes of this user. */
  async close(): Promise<void> {
    this.#closing.abort(new PraError('CANCELLED'));
    const lines = [...this.#lines.entries()];
    const jumps = lines.filter(([id]) => id.startsWith('jump '));
    const others = lines.filter(([id]) => !id.startsWith('jump '));
    await Promise.all(others.map(([, line]) => line.close()));
    await Promise.all(jumps.map(([, line]) => line.close()));
    this.#keys.close();
    await (await this.#folder?.catch(() => undefined))?.remove();
  }

  #line(target: Target): Line<OpensshConnection> {
    const id = `${target.account} ${target.host.name}`;
    let line = this.#lines.get(id);
    if (line === undefined) {
      const { limits, clock } = this.#options;
      const ways = {
        open: () => this.#open(target),
        key: () => (target.host.certificate === true ? CERTIFICATE : keyStamp(target.key)),
      };
      line = new Line(target.host.name, ways, limits, clock);
      this.#lines.set(id, line);
    }
    return line;
  }

  /** The line to a jump host. Throws INTERNAL: openChannel has checked that every `jump` exists. */
  #via(name: string): Line<OpensshConnection> {
    const jump = this.#options.jumps.get(name);
    if (jump === undefined) throw new PraError('INTERNAL', {}, new Error(`no jump host ${name}`));
    return this.#line({ host: jump, account: 'jump', key: jump.key });
  }

  /** Throws INTERNAL: openChannel has checked that a host which wants certificates can get them. */
  #certificates(): CertificateLogins {
    const { certificates, clock } = this.#options;
    if (certificates === undefined) throw new PraError('INTERNAL', {}, new Error('no certificates'));
    this.#logins ??= new CertificateLogins(certificates, clock, this.#keys, () => this.#inFolder());
    return this.#logins;
  }

  #inFolder(): Promise<OpensshFolder> {
    this.#folder ??= OpensshFolder.make().catch((thrown: unknown) => {
      this.#folder = undefined;
      throw thrown;
    });
    return this.#folder;
  }

  /** A new name for the files of one connection or one exec. */
  #next(): string {
    this.#count += 1;
    return String(this.#count);
  }

  async #open(target: Target): Promise<Opened<OpensshConnection>> {
    const { host, account, key } = target;
    if (host.certificate === true) {
      const login = await this.#certificates().open({ host: host.name, user: key.user });
      return { connection: await this.#login(target, login), key: CERTIFICATE };
    }
    const first = await this.#keys.open(account, key);
    try {
      return { connection: await this.#login(target, first.identity), key: first.stamp };
    } catch (thrown) {
      // The key was changed while we logged in with the one before, and the host has already forgotten that one.
      const refused = thrown instanceof PraError && thrown.code === 'AUTH_REFUSED';
      if (!refused || keyStamp(key) === first.stamp) throw thrown;
      const second = await this.#keys.open(account, key);
      return { connection: await this.#login(target, second.identity), key: second.stamp };
    }
  }

  async #login({ host, account }: Target, login: LoginKey): Promise<OpensshConnection> {
    const { limits, clock, log, knownHosts } = this.#options;
    const program = await opensshProgram();
    const known = knownKeys(await readKnownHosts(knownHosts), host);
    const folder = await this.#inFolder();
    const name = this.#next();
    const control = folder.file(`${name}.control`);
    const written: string[] = [control];
    const write = async (suffix: string, text: string): Promise<string> => {
      const path = await folder.write(`${name}.${suffix}`, text);
      written.push(path);
      return path;
    };
    const clear = async (): Promise<void> => {
      await Promise.all(written.map((path) => rm(path, { force: true })));
    };
    try {
      const files = {
        control,
        knownHosts: await write('known_hosts', knownHostsFor(host, known)),
        empty: await write('empty', ''),
      };
      const keys: KeyFiles = {
        identity: login.identityFile ?? (await write('pub', `${login.publicLine}\n`)),
        certificate:
          login.certificateLine === undefined ? undefined : await write('cert', `${login.certificateLine}\n`),
        agent: login.agent,
      };
      const wish = { program, host, user: login.user, files, keys, limits };
      const config = await write('config', masterConfig({ ...wish, hostKeyAlgorithms: hostKeyOrder(known) }));
      const clients = await write('clients', clientConfig(files));
      return await this.#connect(host, async (carrier, signal) => {
        const start = { host, account, known, config, control, carrier, signal, log };
        const running = await startMaster(start);
        return new OpensshConnection(
          { ...running, config: clients, host: host.name, clear },
          () => folder.file(`${this.#next()}.log`),
          limits,
          clock,
          this.#ageOf(login),
        );
      });
    } catch (thrown) {
      await clear();
      throw thrown;
    }
  }

  /** A connection lives no longer than the certificate that opened it. */
  #ageOf({ validUntilMs }: LoginKey): number | undefined {
    return validUntilMs === undefined ? undefined : Math.max(1, validUntilMs - this.#options.clock.now());
  }

  /** Does this within the time for connecting, each hop for itself; a jump host's connection is in use as long as ours lives. */
  async #connect(
    host: HostAddress,
    make: (carrier: Carrier, signal: AbortSignal) => Promise<OpensshConnection>,
  ): Promise<OpensshConnection> {
    const leave = new Set<() => void>();
    const jump = host.jump === undefined ? undefined : await this.#via(host.jump).connection();
    if (jump !== undefined) leave.add(jump.use());
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(unreachable(host.name, 'timeout')),
      this.#options.limits.connectMs,
    );
    try {
      const signal = AbortSignal.any([late.signal, this.#closing.signal]);
      const carrier =
        jump === undefined
          ? await tcpCarrier(host, signal)
          : jumpCarrier(
              {
                config: jump.master.config,
                host: jump.master.host,
                log: (await this.#inFolder()).file(`${this.#next()}.log`),
              },
              host,
            );
      const connection = await make(carrier, signal);
      connection.master.process.once('close', () => leave.forEach((done) => done()));
      return connection;
    } catch (thrown) {
      for (const done of leave) done();
      throw thrown;
    } finally {
      clearTimeout(timer);
    }
  }
}

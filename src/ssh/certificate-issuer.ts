import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { PraError } from '../errors.ts';
import type { CertificateIssuer } from './certificate-options.ts';
import { Identities } from './identities.ts';
import type { AccountKey } from './identity.ts';
import type { OpensshFolder } from './openssh-folder.ts';
import { openOpensshIdentity } from './openssh-identity.ts';
import type { OpensshKeys } from './openssh-keys.ts';
import { opensshEnvironment } from './openssh-program.ts';

/** What a certificate is asked for. All of it is plain: names of the configuration, numbers. */
export interface CertificateRequest {
  readonly publicLine: string;
  readonly host: string;
  /** Account on the host. */
  readonly user: string;
  readonly principal: string;
  readonly keyId: string;
  readonly serial: bigint;
  readonly seconds: number;
  readonly sourceAddress: readonly string[];
}

/** Asks an issuer. Throws CERTIFICATE_UNAVAILABLE, and for a CA key of this machine KEY_* and FILE_MODE. */
export type Issue = (request: CertificateRequest) => Promise<string>;

/** An issuer gets this long, and no certificate is larger. */
const MAX_MS = 10_000;
const MAX_BYTES = 32 * 1024;
/** So far the clock of a host may be behind ours. It is taken from the lifetime. */
const BACKDATE_SECONDS = 30;

const unavailable = ({ user, host }: CertificateRequest, cause: string, thrown?: unknown): PraError =>
  new PraError('CERTIFICATE_UNAVAILABLE', { account: user, host, cause }, thrown);

/** Standard output of a program that gets `input`; its standard error goes to the cause only. */
const run = (
  request: CertificateRequest,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  input: string,
): Promise<string> =>
  new Promise((resolve, reject) => {
    const [program = '', ...args] = argv;
    // A session of its own: nobody is there to be asked on a terminal.
    const child = spawn(program, args, { stdio: 'pipe', env, detached: true, windowsHide: true });
    const fail = (cause: string, thrown?: unknown): void => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(unavailable(request, cause, thrown));
    };
    const timer = setTimeout(() => fail('the issuer did not answer within 10 s'), MAX_MS);
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString('latin1');
      if (out.length > MAX_BYTES) fail('the answer of the issuer is too large');
    });
    child.stderr.on('data', (chunk: Buffer) => (err = (err + chunk.toString('latin1')).slice(0, MAX_BYTES)));
    child.stdin.on('error', () => {});
    child.once('error', (thrown) => fail('the issuer cannot be started', thrown));
    child.once('close', (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(out);
      else reject(unavailable(request, 'the issuer failed', new Error(`exit ${code}: ${err}`)));
    });
    child.stdin.end(input);
  });

/**
 * Asks a program: the public key on standard input, the certificate on standard output. `{principal}`, `{key_id}`, `{serial}`,
 * `{seconds}`, `{source_address}`, `{user}` and `{host}` in its arguments are filled in.
 */
export const commandIssuer =
  ({ argv, environment }: Extract<CertificateIssuer, { kind: 'command' }>): Issue =>
  (request) => {
    const values: Readonly<Record<string, string>> = {
      principal: request.principal,
      key_id: request.keyId,
      serial: String(request.serial),
      seconds: String(request.seconds),
      source_address: request.sourceAddress.join(','),
      user: request.user,
      host: request.host,
    };
    const filled = argv.map((word, index) =>
      index === 0 ? word : word.replace(/\{(\w+)\}/gu, (whole, name: string) => values[name] ?? whole),
    );
    const names = ['PATH', 'HOME', ...environment];
    const env = Object.fromEntries(names.map((name) => [name, process.env[name]]));
    return run(request, filled, env, `${request.publicLine}\n`);
  };

/**
 * Signs with a CA key of this machine and `ssh-keygen -s`. The key is opened here, with the passphrase sources of transport keys, and
 * we are ssh-keygen's agent (`-U`); or it is in the person's agent, or a security key. A replaced file is used from the next
 * certificate on.
 */
export const caIssuer = (
  { keyPath, passphrase }: Extract<CertificateIssuer, { kind: 'ca' }>,
  keys: OpensshKeys,
  inFolder: () => Promise<OpensshFolder>,
): Issue => {
  interface Opened {
    readonly socket: string | undefined;
    /** For `-s`: the public half when an agent signs, else the key handle. */
    readonly file: string;
  }
  const key: AccountKey = { user: 'ca', keyPath, passphrase };
  let opened = 0;
  // As transport keys are: an authority that was replaced signs nothing more.
  const authorities = new Identities<Opened>(async (account) => {
    const identity = await openOpensshIdentity(account, key);
    if (identity.kind === 'file') return { socket: undefined, file: identity.path };
    opened += 1;
    const file = await (await inFolder()).write(`ca${opened}.pub`, `${identity.publicLine}\n`);
    const socket = identity.kind === 'agent' ? identity.socket : await keys.serve(identity.key);
    return { socket, file };
  });
  return async (request) => {
    const {
      identity: { socket, file },
    } = await authorities.open('ca', key);
    const folder = await inFolder();
    const name = `cert${request.serial}`;
    const subject = await folder.write(`${name}.pub`, `${request.publicLine}\n`);
    const made = folder.file(`${name}-cert.pub`);
    const { sourceAddress, seconds, principal, serial, keyId } = request;
    try {
      await run(
        request,
        [
          'ssh-keygen',
          '-q',
          ...(socket === undefined ? [] : ['-U']),
          '-s',
          file,
          '-I',
          keyId,
          '-n',
          principal,
          '-z',
          String(serial),
          '-V',
          `-${BACKDATE_SECONDS}s:+${seconds - BACKDATE_SECONDS}s`,
          '-O',
          'clear',
          ...(sourceAddress.length === 0 ? [] : ['-O', `source-address=${sourceAddress.join(',')}`]),
          subject,
        ],
        { ...opensshEnvironment(), ...(socket === undefined ? {} : { SSH_AUTH_SOCK: socket }) },
        '',
      );
      return await readFile(made, 'latin1');
    } finally {
      await Promise.all([subject, made].map((path) => rm(path, { force: true })));
    }
  };
};

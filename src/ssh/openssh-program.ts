import { spawn } from 'node:child_process';
import { PraError } from '../errors.ts';

/** The OpenSSH client of this machine, and which algorithms it has. */
export interface OpensshProgram {
  /** As in `OpenSSH_9.2p1`. */
  readonly version: string;
  readonly kex: readonly string[];
  readonly cipher: readonly string[];
  readonly mac: readonly string[];
}

/** The oldest OpenSSH client that has every option we set (KnownHostsCommand, PubkeyAcceptedAlgorithms). */
export const OLDEST: readonly [major: number, minor: number] = [8, 5];

/** The environment of ssh and ssh-keygen: no agent, no askpass, no variable that a configuration could expand. */
export const opensshEnvironment = (): NodeJS.ProcessEnv => {
  const { PATH, SystemRoot } = process.env;
  return {
    PATH,
    LC_ALL: 'C',
    SSH_ASKPASS_REQUIRE: 'never',
    ...(SystemRoot === undefined ? {} : { SystemRoot }),
  };
};

/** No answer about versions or algorithms is longer. */
const MAX_ANSWER = 64 * 1024;
const MAX_MS = 5_000;

/** Standard output and standard error of `ssh` with these arguments; rejects when it cannot be started. */
const ask = (args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn('ssh', args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: opensshEnvironment(),
      timeout: MAX_MS,
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        if (text.length < MAX_ANSWER) text += chunk.toString('latin1');
      });
    }
    child.once('error', reject);
    child.once('close', () => resolve(text));
  });

/** `OpenSSH_for_Windows_9.5p1, LibreSSL …` → version and numbers; undefined for another program. */
export const parseVersion = (
  text: string,
): { readonly version: string; readonly major: number; readonly minor: number } | undefined => {
  const found = /^OpenSSH_(?:for_Windows_)?([0-9]{1,3})\.([0-9]{1,3})[A-Za-z0-9.]{0,16}/u.exec(text);
  if (found === null) return undefined;
  return { version: found[0], major: Number(found[1]), minor: Number(found[2]) };
};

/** Throws OPENSSH_PLATFORM where ssh has no ControlMaster: it needs sockets that pass descriptors. */
export const requirePlatform = (platform: NodeJS.Platform): void => {
  if (platform === 'win32') throw new PraError('OPENSSH_PLATFORM', { platform: 'Windows' });
};

const look = async (): Promise<OpensshProgram> => {
  requirePlatform(process.platform);
  let text: string;
  try {
    text = await ask(['-V']);
  } catch (thrown) {
    throw new PraError('SSH_TOO_OLD', { version: 'none found' }, thrown);
  }
  const found = parseVersion(text);
  const [major, minor] = OLDEST;
  const fits =
    found !== undefined && (found.major > major || (found.major === major && found.minor >= minor));
  if (!fits) throw new PraError('SSH_TOO_OLD', { version: found?.version ?? 'not OpenSSH' });
  const list = async (what: string): Promise<readonly string[]> =>
    (await ask(['-Q', what])).split(/\r?\n/u).filter((line) => /^[a-z0-9@.-]+$/u.test(line));
  const [kex, cipher, mac] = await Promise.all(['kex', 'cipher', 'mac'].map(list));
  return { version: found.version, kex: kex ?? [], cipher: cipher ?? [], mac: mac ?? [] };
};

let looking: Promise<OpensshProgram> | undefined;

/** Asked once in the life of this process; a failure is asked again. Throws SSH_TOO_OLD (none found, another program, or before 8.5), OPENSSH_PLATFORM. */
export const opensshProgram = (): Promise<OpensshProgram> => {
  looking ??= look().catch((thrown: unknown) => {
    looking = undefined;
    throw thrown;
  });
  return looking;
};

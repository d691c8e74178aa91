import { rmSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PraError } from '../errors.ts';
import { isPlainPath } from './openssh-config.ts';

/** `sun_path` of macOS and the BSDs, with its final NUL; Linux has 108. */
const MAX_SOCKET_PATH = 104;
/** What ssh adds while it binds its socket: a dot and 16 letters. */
const BINDING_SUFFIX = 17;
/** Longest name of ours in the folder. */
const LONGEST_NAME = '4294967295.control'.length;

const fits = (base: string): boolean =>
  base.startsWith('/') &&
  isPlainPath(base) &&
  join(base, 'mcp-pra-XXXXXX', 'x').length - 1 + LONGEST_NAME + BINDING_SUFFIX < MAX_SOCKET_PATH;

/** Where sockets may be, best first: XDG_RUNTIME_DIR is in memory and gone at logout. */
export const socketBases = (environment: NodeJS.ProcessEnv, temporary: string): readonly string[] =>
  [environment['XDG_RUNTIME_DIR'] ?? '', temporary, '/tmp'].filter(fits);

/**
 * A directory that only this user can enter (0700), for the sockets and the public files of the system ssh: never a secret. It is
 * removed at `remove`, and when the process exits.
 */
export class OpensshFolder {
  readonly path: string;
  readonly #onExit: () => void;

  private constructor(path: string) {
    this.path = path;
    this.#onExit = () => rmSync(path, { recursive: true, force: true });
    process.once('exit', this.#onExit);
  }

  /** Throws OPENSSH_FOLDER when no directory is short and plain enough, or none can be made. */
  static async make(): Promise<OpensshFolder> {
    let cause: unknown;
    for (const base of socketBases(process.env, tmpdir())) {
      try {
        return new OpensshFolder(await mkdtemp(join(base, 'mcp-pra-')));
      } catch (thrown) {
        cause = thrown;
      }
    }
    throw new PraError('OPENSSH_FOLDER', {}, cause);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Writes a file (0600) and returns its path. */
  async write(name: string, text: string): Promise<string> {
    const path = this.file(name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  }

  /** A path in the folder for one that may have any characters. */
  async link(path: string, target: string): Promise<string> {
    await rm(path, { force: true });
    await symlink(target, path);
    return path;
  }

  async remove(): Promise<void> {
    process.removeListener('exit', this.#onExit);
    await rm(this.path, { recursive: true, force: true });
  }
}

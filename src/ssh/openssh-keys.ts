import { stat } from 'node:fs/promises';
import type { HostAddress } from './host-address.ts';
import { serveAgent, type AgentKey } from './agent-protocol.ts';
import type { AccountKey } from './identity.ts';
import type { OpensshFolder } from './openssh-folder.ts';
import { openOpensshIdentity, type OpensshIdentity } from './openssh-identity.ts';

/** How one connection logs in. */
export interface LoginKey {
  readonly user: string;
  /** `type base64` of the public key. */
  readonly publicLine: string;
  /** Socket of the agent that signs, ours or the person's; a plain path. */
  readonly agent?: string | undefined;
  /** The key handle of a security key, when there is no agent; a plain path. */
  readonly identityFile?: string | undefined;
  readonly certificateLine?: string | undefined;
  /** The certificate's end, milliseconds since the epoch. */
  readonly validUntilMs?: number | undefined;
}

export interface LoginWish {
  readonly host: HostAddress;
  readonly account: 'reader' | 'runner' | 'jump';
  readonly key: AccountKey;
}

/** Changes when the file is written or replaced. */
const stampOf = async (path: string): Promise<string> => {
  const file = await stat(path, { bigint: true }).catch(() => undefined);
  return file === undefined ? 'none' : [file.dev, file.ino, file.size, file.mtimeNs].join(' ');
};

/** The keys of all lines: each opened once, each behind an agent of its own that lives in this process. */
export class OpensshKeys {
  readonly #inFolder: () => Promise<OpensshFolder>;
  readonly #opened = new Map<AccountKey, { readonly stamp: string; readonly login: Promise<LoginKey> }>();
  readonly #agents: { close(): void }[] = [];
  #count = 0;

  constructor(inFolder: () => Promise<OpensshFolder>) {
    this.#inFolder = inFolder;
  }

  /** The key, opened anew when its file was replaced. Throws KEY_*, FILE_MODE, OPENSSH_FOLDER. */
  async open({ account, key }: LoginWish): Promise<LoginKey> {
    const stamp = await stampOf(key.keyPath);
    const known = this.#opened.get(key);
    if (known?.stamp === stamp) return known.login;
    const login = openOpensshIdentity(account, key).then((identity) => this.#login(identity));
    const opening = { stamp, login };
    this.#opened.set(key, opening);
    // A mode or a passphrase can be put right while the server runs.
    login.catch(() => {
      if (this.#opened.get(key) === opening) this.#opened.delete(key);
    });
    return login;
  }

  close(): void {
    for (const agent of this.#agents) agent.close();
  }

  async #login(identity: OpensshIdentity): Promise<LoginKey> {
    const { user, publicLine } = identity;
    const folder = await this.#inFolder();
    this.#count += 1;
    const name = `key${this.#count}`;
    if (identity.kind === 'file')
      return { user, publicLine, identityFile: await folder.link(name, identity.path) };
    const agent =
      identity.kind === 'agent'
        ? await folder.link(name, identity.socket)
        : await this.#serve(folder.file(name), identity.key);
    return { user, publicLine, agent };
  }

  async #serve(path: string, key: AgentKey): Promise<string> {
    this.#agents.push(await serveAgent(path, key));
    return path;
  }
}

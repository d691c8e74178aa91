import { serveAgent, type AgentKey } from './agent-protocol.ts';
import { Identities, type StampedIdentity } from './identities.ts';
import type { AccountKey } from './identity.ts';
import type { OpensshFolder } from './openssh-folder.ts';
import { openOpensshIdentity } from './openssh-identity.ts';

/** How one connection logs in. Paths are plain. */
export interface LoginKey {
  readonly user: string;
  /** `type base64` of the public key. */
  readonly publicLine: string;
  /** Socket of the agent that signs, ours or the person's. */
  readonly agent?: string | undefined;
  /** The key handle of a security key, when there is no agent. */
  readonly identityFile?: string | undefined;
  readonly certificateLine?: string | undefined;
  /** The certificate's end, milliseconds since the epoch. */
  readonly validUntilMs?: number | undefined;
}

/** The keys of all lines: each opened once, and again when its file changes; each behind an agent of its own in this process. */
export class OpensshKeys {
  readonly #inFolder: () => Promise<OpensshFolder>;
  readonly #identities: Identities<LoginKey>;
  readonly #agents: { close(): void }[] = [];
  #count = 0;

  constructor(inFolder: () => Promise<OpensshFolder>) {
    this.#inFolder = inFolder;
    this.#identities = new Identities((account, key) => this.#login(account, key));
  }

  /** Throws KEY_*, FILE_MODE, OPENSSH_FOLDER. */
  open(account: string, key: AccountKey): Promise<StampedIdentity<LoginKey>> {
    return this.#identities.open(account, key);
  }

  /** The socket of an agent with this key, until `close`. Throws OPENSSH_FOLDER. */
  async serve(key: AgentKey): Promise<string> {
    const path = await this.#newPath();
    this.#agents.push(await serveAgent(path, key));
    return path;
  }

  close(): void {
    for (const agent of this.#agents) agent.close();
  }

  async #newPath(): Promise<string> {
    this.#count += 1;
    return (await this.#inFolder()).file(`key${this.#count}`);
  }

  async #login(account: string, key: AccountKey): Promise<LoginKey> {
    const identity = await openOpensshIdentity(account, key);
    const { user, publicLine } = identity;
    if (identity.kind === 'ours') return { user, publicLine, agent: await this.serve(identity.key) };
    const folder = await this.#inFolder();
    const path = await this.#newPath();
    if (identity.kind === 'agent')
      return { user, publicLine, agent: await folder.link(path, identity.socket) };
    return { user, publicLine, identityFile: await folder.link(path, identity.path) };
  }
}

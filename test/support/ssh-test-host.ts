import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeGrant, type GrantSpec } from '../../src/request/grant.ts';
import type { Channel, ChannelOptions, ChannelResult } from '../../src/request/ports.ts';
import { openChannel, type OpenChannelOptions } from '../../src/ssh/open-channel.ts';
import { startForcedCommandServer, type ForcedCommandServer } from './embedded/forced-command-server.ts';
import { makeKey, type SshKeyPair } from './ssh-keys.ts';
import { transportUnderTest } from './transport-under-test.ts';

// What the forced command of these tests does: the words of the request line, in a directory of its own.
const PROGRAM = `#!/bin/sh
set -f
cd "\${0%/*}" || exit
echo "$SSH_ORIGINAL_COMMAND" >> calls
set -- $SSH_ORIGINAL_COMMAND
case $1 in
  echo) echo "$2" ;;
  input) exec cat ;;
  exit) exit "$2" ;;
  die) kill -TERM $$; sleep 5 ;;
  bytes) head -c "$2" /dev/zero; [ $# -lt 3 ] || head -c "$3" /dev/zero >&2 ;;
  sleep) exec sleep "$2" ;;
  hold) read -r first; echo "$first" >> held; cat > /dev/null; echo over >> held ;;
  gate) echo before; while [ ! -e "$2" ]; do sleep 0.01; done; echo after ;;
esac
`;

/** An SSH server whose forced command does what a test asks for, and a channel's options to reach it. */
export interface SshTestHost extends AsyncDisposable {
  readonly root: string;
  readonly server: ForcedCommandServer;
  readonly hostKeys: readonly SshKeyPair[];
  readonly readerKey: SshKeyPair;
  readonly runnerKey: SshKeyPair;
  readonly knownHostsPath: string;
  readonly keysFile: string;
  readonly options: OpenChannelOptions;
  /** A file where the program runs. */
  readonly path: (name: string) => string;
  /** A channel that is closed with the host; options are added to those of the host. */
  channel(options?: Partial<OpenChannelOptions>): Channel;
}

type HostKeySort = 'ed25519' | 'rsa' | 'ecdsa';

export const startSshTestHost = async ({
  sorts = ['ed25519'],
  maxSessions = 10,
  readerPassphrase = '',
}: {
  sorts?: readonly HostKeySort[];
  maxSessions?: number;
  readerPassphrase?: string;
} = {}): Promise<SshTestHost> => {
  const root = mkdtempSync(join(tmpdir(), 'mcp-pra-ssh-'));
  const home = join(root, 'home');
  mkdirSync(home);
  const wrapper = join(home, 'program');
  writeFileSync(wrapper, PROGRAM);
  chmodSync(wrapper, 0o755);
  const hostKeys = sorts.map((sort) => makeKey(root, `host_${sort}`, { sort }));
  const readerKey = makeKey(root, 'reader', { passphrase: readerPassphrase });
  const runnerKey = makeKey(root, 'runner');
  const keysFile = join(root, 'authorized_keys');
  writeFileSync(keysFile, `${readerKey.line}\n${runnerKey.line}\n`);
  const account = { keysFile, wrapper, home };
  const server = await startForcedCommandServer({
    hostKeys: hostKeys.map((key) => key.path),
    maxSessions,
    accounts: [
      { ...account, user: 'mcp-reader' },
      { ...account, user: 'pra-runner' },
    ],
  });
  const knownHostsPath = join(root, 'known_hosts');
  writeFileSync(knownHostsPath, hostKeys.map((key) => `web1 ${key.line}\n`).join(''), { mode: 0o600 });
  const options: OpenChannelOptions = {
    hosts: {
      web1: {
        name: 'web1',
        address: '127.0.0.1',
        port: server.port,
        hostKeyAlias: 'web1',
        transport: transportUnderTest.name,
      },
    },
    accounts: {
      reader: { user: 'mcp-reader', keyPath: readerKey.path },
      runner: { user: 'pra-runner', keyPath: runnerKey.path },
    },
    knownHosts: [{ path: knownHostsPath }],
  };
  const channels: Channel[] = [];
  return {
    root,
    server,
    hostKeys,
    readerKey,
    runnerKey,
    knownHostsPath,
    keysFile,
    options,
    path: (name) => join(home, name),
    channel: (more) => {
      const channel = openChannel({ ...options, ...more });
      channels.push(channel);
      return channel;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(channels.map((channel) => channel.close()));
      await server.stop(0);
      rmSync(root, { recursive: true, force: true });
    },
  };
};

/** One exec with a grant made for it. */
export const runLine = (
  channel: Channel,
  line: string,
  spec: Partial<GrantSpec> = {},
  options?: ChannelOptions,
): Promise<ChannelResult> =>
  channel.run(
    makeGrant({
      account: 'reader',
      host: 'web1',
      input: 'hold',
      seconds: 20,
      bytes: 1_000_000,
      ...spec,
      line,
    }),
    options,
  );

/** Waits until something is so; the test's own time limit ends a wait for what never comes. */
export const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await sleep(5);
};

// What one exec costs over the channel: `node test/bench/ssh-exec.mjs [runs]`. Prints, asserts nothing: this machine's load is in it.
// Node 24 (type stripping); needs python3 and the OpenSSH client, as the embedded target does.
import { execFile } from 'node:child_process';
import { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { makeGrant } from '../../src/request/grant.ts';
import { openChannel } from '../../src/ssh/open-channel.ts';
import { startJumpServer } from '../support/jump-server.ts';
import { makeKey } from '../support/ssh-keys.ts';
import { startSshTestHost } from '../support/ssh-test-host.ts';
import { appendFileSync } from 'node:fs';

const runs = Number(process.argv[2] ?? 50);
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const once = async (channel) => {
  const begun = performance.now();
  await channel.run(
    makeGrant({ account: 'reader', host: 'web1', line: 'exit 0', input: 'hold', seconds: 20, bytes: 1_000 }),
  );
  return performance.now() - begun;
};
const measure = async (options) => {
  const channel = openChannel(options);
  const cold = await once(channel);
  const warm = [];
  for (let i = 0; i < runs; i += 1) warm.push(await once(channel));
  await channel.close();
  return { cold, warm: median(warm) };
};

const host = await startSshTestHost();
const hopKey = makeKey(host.root, 'hop');
const hopHostKey = makeKey(host.root, 'hop_host');
const jump = await startJumpServer({ hostKey: hopHostKey, user: 'hop', key: hopKey });
appendFileSync(host.knownHostsPath, `hop ${hopHostKey.line}\n`);
const { web1 } = host.options.hosts;
const through = {
  ...host.options,
  hosts: { web1: { ...web1, jump: 'hop' } },
  jumps: {
    hop: {
      name: 'hop',
      address: '127.0.0.1',
      port: jump.port,
      hostKeyAlias: 'hop',
      key: { user: 'hop', keyPath: hopKey.path },
    },
  },
};

const bare = [];
for (let i = 0; i < runs; i += 1) {
  const begun = performance.now();
  await promisify(execFile)(host.path('program'), { env: { SSH_ORIGINAL_COMMAND: 'exit 0' } });
  bare.push(performance.now() - begun);
}
await measure(host.options); // warms the code up
const direct = await measure(host.options);
const jumped = await measure(through);
// What ssh2 alone would do: Nagle's algorithm on again as soon as the socket is connected.
const connected = (socket) => socket.once('connect', () => socket.setNoDelay(false));
const connect = Socket.prototype.connect;
Socket.prototype.connect = function (...args) {
  connected(this);
  return connect.apply(this, args);
};
const nagle = await measure(host.options);
Socket.prototype.connect = connect;

const line = (name, ms) =>
  process.stdout.write(
    `${name.padEnd(34)} ${ms.toFixed(1).padStart(7)} ms   ${(ms / median(bare)).toFixed(1).padStart(5)} x bare\n`,
  );
line('the program alone (median)', median(bare));
line('warm exec (median)', direct.warm);
line('warm exec through a jump host', jumped.warm);
line("warm exec with Nagle's algorithm", nagle.warm);
line('first exec: connect, keys, login', direct.cold);
line('first exec through a jump host', jumped.cold);
await host[Symbol.asyncDispose]();
await jump[Symbol.asyncDispose]();

import { readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import ssh2 from 'ssh2';
import type { SshKeyPair } from './ssh-keys.ts';

/** A host to jump through: one account that may open TCP connections (direct-tcpip) and nothing else. */
export interface JumpServer extends AsyncDisposable {
  readonly port: number;
  /** Where the account connected to, as `address:port`. */
  readonly forwarded: () => readonly string[];
  /** Connections made so far, and open now. */
  readonly accepted: () => number;
  readonly open: () => number;
  /** Refuses what was asked for the port in `deafTo` and has had no answer yet. */
  answerTheDeaf(): void;
}

export const startJumpServer = async (options: {
  readonly hostKey: SshKeyPair;
  readonly user: string;
  readonly key: SshKeyPair;
  /** Connections to this port get no answer for now, like a host that is down behind a silent firewall. */
  readonly deafTo?: number;
}): Promise<JumpServer> => {
  const forwarded: string[] = [];
  const connections = new Set<ssh2.Connection>();
  const waiting: (() => void)[] = [];
  let accepted = 0;
  const ssh = new ssh2.Server({ hostKeys: [readFileSync(options.hostKey.path)] }, (connection) => {
    accepted += 1;
    connections.add(connection);
    connection.on('error', () => {});
    connection.once('close', () => connections.delete(connection));
    connection.on('authentication', (auth) => {
      const known =
        auth.method === 'publickey' &&
        auth.username === options.user &&
        auth.key.data.equals(options.key.blob);
      if (!known || auth.method !== 'publickey') return auth.reject(['publickey']);
      const key = ssh2.utils.parseKey(options.key.line);
      if (auth.signature !== undefined && auth.blob !== undefined) {
        if (key instanceof Error || !key.verify(auth.blob, auth.signature, auth.hashAlgo))
          return auth.reject(['publickey']);
      }
      auth.accept();
    });
    connection.on('tcpip', (accept, reject, info) => {
      if (info.destPort === options.deafTo) {
        waiting.push(() => reject());
        return;
      }
      const socket = connect({ host: info.destIP, port: info.destPort, noDelay: true });
      socket.once('error', () => reject());
      socket.once('connect', () => {
        forwarded.push(`${info.destIP}:${info.destPort}`);
        const stream = accept();
        for (const end of [stream, socket]) end.on('error', () => {});
        stream.pipe(socket).pipe(stream);
        stream.once('close', () => socket.destroy());
        socket.once('close', () => stream.close());
      });
    });
  });
  // noDelay: sshd does not make its clients wait for acknowledgements either.
  const server = createServer({ noDelay: true }, (socket) => ssh.injectSocket(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    forwarded: () => forwarded,
    accepted: () => accepted,
    open: () => connections.size,
    answerTheDeaf: () => {
      for (const answer of waiting.splice(0)) answer();
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      for (const connection of connections) connection.end();
      await closed;
    },
  };
};

import { connect, createServer, type Socket } from 'node:net';
import { SshReader, sshString, sshUint32 } from '../request/ssh-reader.ts';

// draft-ietf-sshm-ssh-agent: the two requests that ssh and ssh-keygen need, and nothing that adds, removes or lists more.
const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const SIGN_REQUEST = 13;
const SIGN_RESPONSE = 14;
const FAILURE = 5;

const MAX_MESSAGE = 256 * 1024;

/** A key that signs for one ssh or ssh-keygen of ours; its private half stays in this process. */
export interface AgentKey {
  /** Wire blob of the public key. */
  readonly blob: Buffer;
  /** The signature blob: algorithm and signature (RFC 4253 §6.6). */
  sign(data: Buffer): Buffer;
}

/** Calls `receive` with each whole message; a peer that announces a larger one is cut off. */
const readMessages = (socket: Socket, receive: (message: Buffer) => void): void => {
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4) {
      const length = pending.readUInt32BE();
      if (length === 0 || length > MAX_MESSAGE) socket.destroy();
      if (socket.destroyed || pending.length < 4 + length) return;
      const message = pending.subarray(4, 4 + length);
      pending = pending.subarray(4 + length);
      receive(message);
    }
  });
};

const answerTo = (message: Buffer, key: AgentKey): Buffer => {
  const failure = Buffer.from([FAILURE]);
  try {
    const reader = new SshReader(message);
    const type = reader.byte();
    if (type === REQUEST_IDENTITIES) {
      reader.end();
      return Buffer.concat([
        Buffer.from([IDENTITIES_ANSWER]),
        sshUint32(1),
        sshString(key.blob),
        sshString('mcp-pra'),
      ]);
    }
    if (type !== SIGN_REQUEST || !reader.string().equals(key.blob)) return failure;
    const data = reader.string();
    return Buffer.concat([Buffer.from([SIGN_RESPONSE]), sshString(key.sign(data))]);
  } catch {
    return failure;
  }
};

/**
 * An SSH agent with one key on this socket (a path in a private directory, or a Windows pipe). It does not keep the process
 * alive. Rejects when the socket cannot be made.
 */
export const serveAgent = async (path: string, key: AgentKey): Promise<{ close(): void }> => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.unref();
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    readMessages(socket, (message) => void socket.write(sshString(answerTo(message, key))));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  server.unref();
  return {
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
};

/** Blobs of the keys that another agent holds. Rejects when there is none at that socket, or it does not answer in 2 s. */
export const heldByAgent = (path: string): Promise<readonly Buffer[]> =>
  new Promise((resolve, reject) => {
    const socket = connect(path);
    const fail = (why?: unknown): void => {
      socket.destroy();
      reject(why instanceof Error ? why : new Error('the agent did not answer'));
    };
    socket.setTimeout(2_000, fail);
    socket.once('error', fail);
    socket.once('close', fail);
    readMessages(socket, (message) => {
      try {
        const reader = new SshReader(message);
        if (reader.byte() !== IDENTITIES_ANSWER) return fail();
        const blobs: Buffer[] = [];
        for (let left = reader.uint32(); left > 0; left -= 1) {
          blobs.push(reader.string());
          reader.string();
        }
        resolve(blobs);
        socket.destroy();
      } catch (thrown) {
        fail(thrown);
      }
    });
    socket.write(sshString(Buffer.from([REQUEST_IDENTITIES])));
  });

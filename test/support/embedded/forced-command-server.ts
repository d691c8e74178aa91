import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import ssh2 from 'ssh2';

/** An account as sshd's Match block has it: keys from a file, one forced command, which is also the login shell. */
export interface ForcedAccount {
  readonly user: string;
  /** In the form of authorized_keys; read at each login, as sshd does. */
  readonly keysFile: string;
  readonly wrapper: string;
  readonly home: string;
}

export interface ForcedCommandServer {
  readonly port: number;
  /** Connections made so far, and open now. */
  readonly accepted: () => number;
  readonly open: () => number;
  /** Sessions that were refused for MaxSessions. */
  readonly refusedSessions: () => number;
  /** Most sessions at once on one connection. */
  readonly mostSessions: () => number;
  /** Ends every connection at once, as a reboot or a lost network does. */
  dropConnections(): void;
  /** Ends connections, waits so many milliseconds (3,000) for programs to see that, and kills those of ours that do not. */
  stop(graceMs?: number): Promise<void>;
}

interface Login {
  readonly account: ForcedAccount;
  readonly socket: Socket;
  readonly session: ssh2.Session;
}

const parseKeys = (file: string): ssh2.ParsedKey[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => ssh2.utils.parseKey(line))
    .filter((key) => !(key instanceof Error)) as ssh2.ParsedKey[];

const isAllowed = (account: ForcedAccount | undefined, auth: ssh2.AuthContext): boolean => {
  if (account === undefined || auth.method !== 'publickey') return false;
  const key = parseKeys(account.keysFile).find((known) => known.getPublicSSH().equals(auth.key.data));
  if (key === undefined) return false;
  if (auth.signature === undefined || auth.blob === undefined) return true;
  return key.verify(auth.blob, auth.signature, auth.hashAlgo);
};

/** What sshd sets without PAM and without AcceptEnv; nothing of our own environment. */
const environment = (
  account: ForcedAccount,
  socket: Socket,
  command: string | undefined,
): NodeJS.ProcessEnv => {
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket;
  return {
    USER: account.user,
    LOGNAME: account.user,
    HOME: account.home,
    PATH: '/usr/local/bin:/usr/bin:/bin:/usr/games',
    SHELL: account.wrapper,
    SSH_CLIENT: `${remoteAddress} ${remotePort} ${localPort}`,
    SSH_CONNECTION: `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`,
    ...(command === undefined ? {} : { SSH_ORIGINAL_COMMAND: command }),
  };
};

/**
 * The program and its streams. When the client closes the channel, its pipes are closed and nothing else: sshd does not kill
 * the program of a session without a terminal, and hands it the input that came before the close.
 */
const attach = (child: ChildProcess, session: ssh2.Session, channel: ssh2.ServerChannel): void => {
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new Error('no pipes');
  for (const stream of [stdin, stdout, stderr, channel, channel.stderr]) stream.on('error', () => {});
  channel.pipe(stdin);
  stdout.pipe(channel, { end: false });
  stderr.pipe(channel.stderr, { end: false });
  const deaf = (): void => {
    stdout.destroy();
    stderr.destroy();
  };
  // The session's when the client closed it, the channel's when the connection is gone.
  session.once('close', deaf);
  channel.once('close', deaf);
  // `close`, not `exit`: what was written last comes before the end, as with sshd.
  child.once('close', (code, signal) => {
    if (code !== null) channel.exit(code);
    else channel.exit(String(signal).replace(/^SIG/u, ''), false, '');
    channel.end();
  });
};

/**
 * sshd as far as this product uses it: public keys only, a forced command with sshd's exact argv and a clean environment, no
 * pty, no sftp or other subsystem, no forwarding of any kind, MaxSessions. It shows nothing about the real sshd,
 * its Match blocks or sudo: those are tested in the lab.
 */
export const startForcedCommandServer = async (options: {
  readonly hostKeys: readonly string[];
  readonly accounts: readonly ForcedAccount[];
  readonly maxSessions?: number;
}): Promise<ForcedCommandServer> => {
  const { hostKeys, accounts, maxSessions = 10 } = options;
  const sockets = new Set<Socket>();
  const children = new Set<ChildProcess>();
  const counts = { accepted: 0, refused: 0, most: 0 };

  const run = ({ account, socket, session }: Login, channel: ssh2.ServerChannel, command?: string): void => {
    const child = spawn(account.wrapper, ['-c', account.wrapper], {
      argv0: basename(account.wrapper),
      cwd: account.home,
      env: environment(account, socket, command),
      stdio: 'pipe',
      // A session of its own, as sshd gives it.
      detached: true,
    });
    children.add(child);
    child.once('close', () => children.delete(child));
    child.once('error', () => channel.end());
    attach(child, session, channel);
  };

  const serve = (connection: ssh2.Connection, socket: Socket): void => {
    let account: ForcedAccount | undefined;
    let sessions = 0;
    connection.on('error', () => {});
    connection.on('authentication', (auth) => {
      account = accounts.find(({ user }) => user === auth.username);
      if (isAllowed(account, auth)) auth.accept();
      else auth.reject(['publickey']);
    });
    connection.on('session', (accept, reject) => {
      if (account === undefined || sessions >= maxSessions) {
        counts.refused += 1;
        return reject();
      }
      sessions += 1;
      counts.most = Math.max(counts.most, sessions);
      const session = accept();
      const login = { account, socket, session };
      let open = true;
      const closed = (): void => {
        if (open) sessions -= 1;
        open = false;
      };
      session.once('close', closed);
      // No listeners for pty, env, x11, agent, subsystem, sftp and signal: ssh2 refuses what nobody listens to.
      session.once('exec', (start, _refuse, { command }) => run(login, start(), command));
      session.once('shell', (start) => run(login, start()));
    });
  };

  // ssh2 makes the server's side of a connection from a socket, and the socket is needed for its addresses.
  const waiting: Socket[] = [];
  const ssh = new ssh2.Server(
    { hostKeys: hostKeys.map((path) => readFileSync(path)), ident: 'embedded' },
    (connection, info) => {
      const at = waiting.findIndex((socket) => socket.remotePort === info.port);
      const [socket] = waiting.splice(at, 1);
      if (socket !== undefined) serve(connection, socket);
    },
  );
  const server = createServer({ noDelay: true }, (socket) => {
    counts.accepted += 1;
    sockets.add(socket);
    waiting.push(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    ssh.injectSocket(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });

  const dropConnections = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    accepted: () => counts.accepted,
    open: () => sockets.size,
    refusedSessions: () => counts.refused,
    mostSessions: () => counts.most,
    dropConnections,
    stop: async (graceMs = 3_000) => {
      const closed = new Promise((resolve) => server.close(resolve));
      dropConnections();
      await closed;
      for (let waited = 0; children.size > 0 && waited < graceMs; waited += 20) await sleep(20);
      for (const child of children) {
        // The process group is the one that `detached` gave to exactly this child.
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      }
    },
  };
};

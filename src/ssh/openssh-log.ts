// What OpenSSH (8.5 to 10) says in its log, as far as we act on it. A server can put words of its own into some of these lines
// (disconnect and debug messages): a forged one can only make us give up, or name another reason for giving up.

/** What a master's log says by and by. */
export type MasterEvent =
  | { readonly kind: 'ready' }
  | { readonly kind: 'host-key'; readonly type: string; readonly fingerprint: string }
  | { readonly kind: 'kex'; readonly name: string }
  | { readonly kind: 'host-key-refused' }
  | { readonly kind: 'auth-refused' }
  | { readonly kind: 'agent-refused' }
  | { readonly kind: 'command'; readonly line: string };

/** Written by the master before the request goes out: where it is missing, nothing was sent. */
const SENDING = 'debug1: Sending command: ';

/** One line of a master at LogLevel DEBUG1; undefined for all others. */
export const readMasterLine = (line: string): MasterEvent | undefined => {
  if (line === 'debug1: Entering interactive session.') return { kind: 'ready' };
  if (line.startsWith(SENDING)) return { kind: 'command', line: line.slice(SENDING.length) };
  const hostKey = /^debug1: Server host key: ([a-z0-9@.-]{1,64}) (SHA256:[A-Za-z0-9+/]{43})$/u.exec(line);
  if (hostKey !== null) return { kind: 'host-key', type: hostKey[1] ?? '', fingerprint: hostKey[2] ?? '' };
  const kex = /^debug1: kex: algorithm: ([a-z0-9@.-]{1,64})$/u.exec(line);
  if (kex !== null) return { kind: 'kex', name: kex[1] ?? '' };
  if (line === 'Host key verification failed.') return { kind: 'host-key-refused' };
  if (/^[^ ]{1,300}: Permission denied \([a-z,-]{0,200}\)\.$/u.test(line)) return { kind: 'auth-refused' };
  if (/^(?:Received disconnect|Disconnected) from .{1,200}Too many authentication failures/u.test(line))
    return { kind: 'auth-refused' };
  if (line.startsWith('sign_and_send_pubkey: signing failed')) return { kind: 'agent-refused' };
  return undefined;
};

/** What became of one exec, by the log of the client that asked the master for it (LogLevel DEBUG2). */
export interface ExecLog {
  /** The session was opened and the command sent. */
  readonly opened: boolean;
  /** The exit status that the server sent. */
  readonly exit: number | undefined;
  /** `busy`: the server refused a session; `lost`: there was no master to ask. Either way the command was not sent. */
  readonly unsent: 'busy' | 'lost' | undefined;
}

export const readExecLog = (log: string): ExecLog => {
  const exit = /^debug2: Received exit status from master ([0-9]{1,3})\r?$/mu.exec(log)?.[1];
  const refused = /^(?:mux_client_request_\w+: )?(?:session|[Ss]tdio forwarding) request failed: /mu.test(
    log,
  );
  const noMaster = /^(?:debug1: )?Control socket connect\(/mu.test(log);
  return {
    opened: /^debug1: mux_client_request_session: master session id: [0-9]+\r?$/mu.test(log),
    exit: exit === undefined ? undefined : Number(exit),
    unsent: refused ? 'busy' : noMaster ? 'lost' : undefined,
  };
};

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { sha256 } from '../../src/catalog/digest.ts';
import { serialiseDraft } from '../../src/request/draft.ts';
import { parseOffer } from '../../src/request/offer.ts';
import { serialiseQuery } from '../../src/request/query.ts';
import { newRequestId } from '../../src/request/request-id.ts';
import { serialiseSubmission } from '../../src/request/submission.ts';
import { wireTime } from '../../src/request/wire-time.ts';
import { serialiseTicket } from '../../src/request/ticket.ts';
import type { ArgList, Draft, Offer, SignedText, Ticket } from '../../src/request/types.ts';

/** Where a target is and which transport key was stolen. The real `ssh` is used, with strict host keys. */
export interface Loot {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly knownHosts: string;
  readonly key: string;
  /** Told of every answer, for whoever counts requests. */
  readonly heard?: (account: string, line: string, said: Said) => void;
}

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `ssh … account@host <command>` with options that ask nothing, learn nothing and use no agent. */
export const sshAs = async (
  loot: Loot,
  account: string,
  command: readonly string[],
  input: string | Buffer = '',
  args: readonly string[] = [],
): Promise<Said> => {
  const options = {
    BatchMode: 'yes',
    StrictHostKeyChecking: 'yes',
    UserKnownHostsFile: loot.knownHosts,
    GlobalKnownHostsFile: '/dev/null',
    HostKeyAlias: loot.host,
    UpdateHostKeys: 'no',
    IdentitiesOnly: 'yes',
    IdentityAgent: 'none',
    ConnectTimeout: '10',
    LogLevel: 'ERROR',
  };
  const child = spawn('ssh', [
    '-F',
    '/dev/null',
    '-p',
    String(loot.port),
    '-i',
    loot.key,
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    ...args,
    `${account}@${loot.address}`,
    ...(command.length === 0 ? [] : ['--', ...command]),
  ]);
  child.stdin.on('error', () => {
    // Refused before it read its input: the refusal is what matters.
  });
  child.stdin.end(input);
  const ended = new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? -1)));
  const [stdout, stderr, code] = await Promise.all([buffer(child.stdout), buffer(child.stderr), ended]);
  const said = { code, stdout: stdout.toString(), stderr: stderr.toString() };
  loot.heard?.(account, command.join(' '), said);
  return said;
};

/** A genuine offer for anything: `prepare` needs only the runner key. Throws what the target refused. */
export const prepare = async (
  loot: Loot,
  wish: {
    readonly action: string;
    readonly args?: ArgList;
    readonly host?: string;
    readonly impact?: Draft['impact'];
  },
): Promise<{ readonly offer: Offer; readonly signed: SignedText }> => {
  const draft: Draft = {
    id: newRequestId(),
    host: wish.host ?? loot.host,
    action: wish.action,
    args: wish.args ?? [],
    impact: wish.impact ?? 'LOW',
    mode: 'run',
    requester: 'thief/ssh',
  };
  const said = await sshAs(loot, 'pra-runner', ['prepare'], serialiseDraft(draft));
  const line = said.stdout.split('\n').find((one) => one.includes('"event":"offer"'));
  if (line === undefined) throw new Error(`no offer: ${said.stderr}`);
  const event = JSON.parse(line) as { offer: string; signature: string };
  return { offer: parseOffer(event.offer), signed: { text: event.offer, signature: event.signature } };
};

/** A ticket that fits an offer, with whatever is to be wrong about it. */
export const ticketFrom = (
  { offer, signed }: { readonly offer: Offer; readonly signed: SignedText },
  wrong: Partial<Ticket> = {},
): string => {
  const { id, host, hostKey, action, args, definition, impact } = offer;
  const now = Date.now();
  return serialiseTicket({
    kind: 'action',
    id,
    host,
    hostKey,
    action,
    args,
    definition,
    impact,
    mode: 'run',
    approval: 'normal',
    incident: undefined,
    offer: sha256(signed.text),
    plan: undefined,
    issued: wireTime(now),
    expires: wireTime(now + 300_000),
    requester: 'thief/ssh',
    reason: 'because',
    ledger: '0'.repeat(64),
    ...wrong,
  });
};

/** A ticket that freezes the host of an offer. It answers no offer: of this one it takes only which host that is. */
export const freezeTicketFrom = (
  made: Parameters<typeof ticketFrom>[0],
  wrong: Partial<Ticket> = {},
): string =>
  ticketFrom(made, {
    kind: 'freeze',
    action: 'freeze',
    args: [],
    definition: sha256('mcp-pra word freeze 1\n'),
    impact: 'MEDIUM',
    offer: undefined,
    ...wrong,
  });

/** Signs with the real ssh-keygen; base64 of the blob on one line. An encrypted key needs its passphrase. */
export const signWith = (key: string, namespace: string, message: string, passphrase = ''): string => {
  const dir = mkdtempSync(join(tmpdir(), 'mcp-pra-sign-'));
  try {
    const [text, plain] = [join(dir, 'message'), join(dir, 'key')];
    writeFileSync(text, message);
    execFileSync('cp', [key, plain]);
    execFileSync('chmod', ['600', plain]);
    if (passphrase !== '')
      execFileSync('ssh-keygen', ['-q', '-p', '-P', passphrase, '-N', '', '-f', plain], { stdio: 'pipe' });
    const armoured = execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-f', plain, '-n', namespace], {
      input: message,
      stdio: 'pipe',
    });
    return armoured
      .toString()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('-----'))
      .join('');
  } finally {
    rmSync(dir, { recursive: true });
  }
};

/** Hands a ticket in under a word. */
export const submit = (
  loot: Loot,
  word: string,
  parts: {
    readonly ticketText: string;
    readonly signatures: readonly string[];
    readonly offer: SignedText | undefined;
  },
): Promise<Said> => sshAs(loot, 'pra-runner', [word], serialiseSubmission(parts));

/** Asks for the state of an id with a hash that the thief does not have. */
export const queryFor = (id: string, ticket: string): string =>
  serialiseQuery({ id, ticket, wait: 0, offset: 0 });

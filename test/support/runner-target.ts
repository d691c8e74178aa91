import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseOffer } from '../../src/request/offer.ts';
import { parseReceipt } from '../../src/request/receipt.ts';
import { decodeSignature, verifySshsig } from '../../src/request/sshsig.ts';
import { serialiseTicket } from '../../src/request/ticket.ts';
import { serialiseDraft } from '../../src/request/draft.ts';
import { serialiseQuery } from '../../src/request/query.ts';
import type { Draft, Offer, Receipt, SignedText, Ticket } from '../../src/request/types.ts';
import { wireTime } from '../../src/request/wire-time.ts';

const SOURCE = join(import.meta.dirname, '../../target-scripts');
const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');

export type Json = Record<string, unknown>;

/** An ed25519 key made for one test. */
export interface TestKey {
  readonly path: string;
  readonly publicKey: Buffer;
  /** `type base64`, as in allowed_signers. */
  readonly line: string;
}

/** What one call of pra-run said. */
export interface Said {
  readonly exit: number | null;
  readonly events: readonly Json[];
  readonly stderr: string;
  /** The code of the refusal on standard error, or undefined. */
  readonly code: string | undefined;
  /** Standard error's warnings aside: `warning` events. */
  readonly warnings: readonly unknown[];
  readonly output: string;
}

/** A draft, its offer, and what makes a ticket of them. */
export interface Proposal {
  readonly offer: Offer;
  readonly signed: SignedText;
}

export interface Signing {
  readonly key: TestKey;
  readonly namespace: string;
}

/** What a person signs with, by impact. */
export const signingsOf = (key: TestKey): Record<'low' | 'medium' | 'high', Signing> => ({
  low: { key, namespace: 'mcp-pra-low' },
  medium: { key, namespace: 'mcp-pra-medium' },
  high: { key, namespace: 'mcp-pra-high' },
});

export interface SubmissionParts {
  readonly ticketText: string;
  readonly signatures: readonly string[];
  /** Undefined for a freeze. */
  readonly offer: SignedText | undefined;
}

/** Writes a submission without the checks of src/request: tests need wrong ones too. */
export const frame = ({ ticketText, signatures, offer }: SubmissionParts): string =>
  [
    ticketText.slice(0, -1),
    ...signatures.map((signature) => `signature ${signature}`),
    `offer ${offer === undefined ? '-' : Buffer.from(offer.text).toString('base64')}`,
    `offer-signature ${offer?.signature ?? '-'}`,
    'end',
    '',
  ].join('\n');

export const newId = (): string =>
  [...randomBytes(16)].map((byte) => 'abcdefghijklmnopqrstuvwxyz234567'[byte % 32]).join('');

const ACTION = {
  v: 1,
  impact: 'LOW',
  params: [{ name: 'unit', type: 'unit', bounds: 'service' }],
  script: null,
  limit: { seconds: 20, bytes: 1000 },
  idempotent: true,
  cancellable: false,
  cooldown: 0,
  verify: [],
  undo_action: null,
  ends: 'nothing',
  precheck: [
    {
      diagnostic: 'unit_state',
      args: { unit: '{unit}' },
      parse: 'kv',
      facts: {
        load_state: { from: 'LoadState', type: 'string' },
        active_state: { from: 'ActiveState', type: 'string' },
        restarts: { from: 'NRestarts', type: 'integer' },
      },
      stable: ['active_state', 'restarts'],
      tolerance: {},
      expect: [{ fact: 'load_state', op: 'eq', value: 'loaded' }],
    },
  ],
};

// What the actions of these tests do depends on the unit's name, so that one program serves them all.
const PROGRAM = `#!/bin/sh
case $1 in
  quick.service) echo "restarted $1" ;;
  fail.service) echo "cannot" >&2; exit 3 ;;
  loud.service) i=0; while [ $i -lt 500 ]; do echo 0123456789; i=$((i + 1)); done; echo done > "$0.loud" ;;
  wait.service) echo waiting; until rm "$0.gate" 2>/dev/null; do sleep 0.05; done; echo through ;;
  hang.service) echo hanging; trap '' TERM; sleep 60 & echo $! > "$0.child"; wait; sleep 60 ;;
  # The child leads a process group of its own in the same session, as what a shell with job control starts.
  deaf.service)
    echo deaf
    python3 -c 'import os, signal, sys, time
os.setpgid(0, 0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(sys.argv[1] + ".child", "w") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(120)' "$0" &
    sleep 60 ;;
  fix.service) printf 'LoadState=loaded\\nActiveState=active\\nNRestarts=1\\n' > "\${0%/*}/unit-state" ;;
  late.service)
    { until rm "$0.late" 2>/dev/null; do sleep 0.05; done; "$0" fix.service; } >/dev/null 2>&1 &
    echo begun ;;
  vanish.service) rm "\${0%/*}/unit-state" ;;
  count.service) echo run >> "$0.count" ;;
  dead.service) exec kill -9 $$ ;;
  who.service) id -un ;;
  look.service) env | sort; pwd; ls -l /proc/self/fd | wc -l; read -r x; echo "in=$x" ;;
esac
`;

/** A target below a temporary directory: pra-run and mcp-wrapper as install-target renders them, with tables of its own. */
export class RunnerTarget {
  readonly root = mkdtempSync(join(tmpdir(), 'mcp-pra-run-'));
  readonly prefix = join(this.root, 'target');
  readonly program = join(this.root, 'program');
  readonly hostKey: TestKey;
  readonly anna: TestKey;
  readonly bert: TestKey;
  readonly auto: TestKey;
  readonly stranger: TestKey;
  policy: Json = {
    v: 1,
    host: 'web1',
    impact: {},
    quorum: { MEDIUM: 1, HIGH: 1 },
    signer: { MEDIUM: 'software-key', HIGH: 'software-key' },
    deny: [],
    values: {},
    auto: [],
    auto_limits: { pair_per_hour: 60, host_per_day: 1000 },
    offer_seconds: 480,
  };

  /** `sudo`: as on a host, where root runs this and prechecks run as `nobody`. Needs root. */
  readonly launcher: 'direct' | 'sudo';

  constructor(launcher: 'direct' | 'sudo' = 'direct') {
    this.launcher = launcher;
    [this.hostKey, this.anna, this.bert, this.auto, this.stranger] = [
      'host',
      'anna',
      'bert',
      'auto',
      'stranger',
    ].map((name) => this.#makeKey(name)) as [TestKey, TestKey, TestKey, TestKey, TestKey];
    this.#writeTables();
    this.install();
    const units = ['quick', 'fail', 'loud', 'wait', 'hang', 'deaf', 'count', 'dead', 'look', 'who'].map(
      (name) => `${name}.service`,
    );
    this.policy['values'] = {
      low_thing: { unit: units },
      other_low: { unit: units },
      medium_thing: { unit: units },
      scripted: {},
      short_thing: { unit: units },
      once_thing: { unit: units },
      stoppable: { unit: units },
      stoppable_high: { unit: units },
    };
    this.policy['auto'] = ['quick', 'count', 'wait'].map((name) => ({
      action: 'low_thing',
      args: { unit: `${name}.service` },
    }));
    this.restore();
  }

  /** Policy, signers, revocations and the unit's state as at first. */
  restore(): void {
    this.writePolicy();
    this.writeSigners();
    this.revoke();
    this.setState('loaded', 'active');
  }

  install(): void {
    const options = [
      '--prefix',
      this.prefix,
      '--tables',
      join(this.root, 'tables'),
      '--launcher',
      this.launcher,
      '--reader-user',
      'nobody',
    ];
    const owner = [
      '--owner-uid',
      String(process.getuid?.() ?? 0),
      '--host-key',
      this.hostKey.path,
      '--log-socket',
      join(this.root, 'log'),
    ];
    execFileSync(join(SOURCE, 'install-target'), [...options, ...owner], { stdio: 'pipe' });
    const script = join(this.prefix, 'lib/scripts/test-script');
    writeFileSync(script, '#!/bin/sh\necho "script $1"\n');
    chmodSync(script, 0o755);
  }

  #makeKey(name: string): TestKey {
    const path = join(this.root, `${name}_key`);
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', path]);
    const [type, base64] = readFileSync(`${path}.pub`, 'utf8').split(' ');
    return {
      path,
      publicKey: Buffer.from(String(base64), 'base64'),
      line: `${String(type)} ${String(base64)}`,
    };
  }

  #writeTables(): void {
    writeFileSync(this.program, PROGRAM, { mode: 0o755 });
    chmodSync(this.program, 0o755);
    writeFileSync(`${this.program}-state`, `#!/bin/sh\ncat "${this.root}/unit-state"\n`);
    chmodSync(`${this.program}-state`, 0o755);
    const verb = [
      `v1\t${'d'.repeat(64)}`,
      'param\tunit\tunit\tservice',
      'limit\t20\t4096',
      `run\tstate\t${this.program}-state\t--\t{unit}`,
      '',
    ];
    const tables = join(this.root, 'tables');
    for (const folder of ['verbs', 'actions']) mkdirSync(join(tables, folder), { recursive: true });
    writeFileSync(join(tables, 'verbs/unit_state'), verb.join('\n'));
    writeFileSync(join(tables, 'DIGESTS'), '');
    const argv = [this.program, '{unit}'];
    this.writeAction('low_thing', { argv });
    this.writeAction('other_low', { argv });
    this.writeAction('once_thing', { argv, idempotent: false });
    this.writeAction('medium_thing', { argv, impact: 'MEDIUM' });
    this.writeAction('stoppable', { argv, cancellable: true });
    this.writeAction('stoppable_high', { argv, cancellable: true, impact: 'HIGH' });
    this.writeAction('short_thing', { argv, limit: { seconds: 1, bytes: 1000 } });
    this.writeAction('scripted', {
      argv: ['script:test-script', '{days}'],
      script: { file: 'test-script', sha256: sha256('#!/bin/sh\necho "script $1"\n') },
      params: [
        { name: 'days', type: 'integer', bounds: '7..365', default: '30' },
        { name: 'log', type: 'log', bounds: '-', default: 'app' },
      ],
      precheck: [],
    });
  }

  /** Writes a definition into the tables and, once there is a target, into the target. */
  writeAction(name: string, parts: Json): void {
    const file = JSON.stringify({ ...ACTION, name, definition: sha256(name), ...parts });
    writeFileSync(join(this.root, `tables/actions/${name}.json`), file);
    const installed = join(this.prefix, `lib/actions/${name}.json`);
    if (existsSync(join(this.prefix, 'lib/actions'))) writeFileSync(installed, file);
  }

  writePolicy(patch: Json = {}): void {
    writeFileSync(join(this.prefix, 'etc/policy.json'), JSON.stringify({ ...this.policy, ...patch }));
  }

  writeSigners(text?: string): void {
    const people = 'namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high"';
    const lines = [
      '# made by a test',
      `anna ${people} ${this.anna.line} anna@example`,
      `bert ${people} ${this.bert.line}`,
      `auto namespaces="mcp-pra-auto" ${this.auto.line}`,
      '',
    ];
    writeFileSync(join(this.prefix, 'etc/allowed_signers'), text ?? lines.join('\n'));
  }

  /** Writes a KRL that revokes these keys. */
  revoke(...keys: readonly TestKey[]): void {
    const krl = join(this.prefix, 'etc/revoked_signers');
    execFileSync('ssh-keygen', ['-q', '-k', '-f', krl, ...keys.map((key) => `${key.path}.pub`)], {
      stdio: 'pipe',
    });
  }

  /** What the precheck's diagnostic will say. */
  setState(load: string, active: string, restarts = '0'): void {
    writeFileSync(
      join(this.root, 'unit-state'),
      `LoadState=${load}\nActiveState=${active}\nNRestarts=${restarts}\n`,
    );
  }

  /** Starts `pra-run <word>` as sudo would, with its input; the child and the promise of what it said. */
  start(
    words: readonly string[],
    input: Buffer | string | undefined,
    environment: NodeJS.ProcessEnv = {},
  ): { child: ChildProcess; said: Promise<Said> } {
    const child = spawn(join(this.prefix, 'bin/pra-run'), words, {
      detached: true, // a process group of its own, which sshd would signal
      env: environment,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdin.on('error', () => undefined); // it may refuse before it has read everything
    if (input !== undefined) child.stdin.end(input);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    const said = new Promise<Said>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (exit) => {
        resolve(readSaid(exit, Buffer.concat(out).toString(), Buffer.concat(err).toString()));
      });
    });
    return { child, said };
  }

  async ask(word: string, input: Buffer | string = ''): Promise<Said> {
    return this.start([word], input).said;
  }

  draft(patch: Partial<Draft> = {}): string {
    const draft = {
      id: newId(),
      host: 'web1',
      action: 'low_thing',
      args: [['unit', 'quick.service']],
      impact: 'LOW',
      mode: 'run',
      requester: 'carl/cli',
    };
    return serialiseDraft({ ...draft, ...patch } as Draft);
  }

  /** `prepare`; the offer, whose signature was checked. */
  async propose(patch: Partial<Draft> = {}): Promise<Proposal> {
    const said = await this.ask('prepare', this.draft(patch));
    const event = said.events.find((one) => one['event'] === 'offer');
    if (event === undefined) throw new Error(`no offer: ${said.stderr}`);
    const signed = { text: String(event['offer']), signature: String(event['signature']) };
    const sshsig = verifySshsig({
      message: signed.text,
      signatureBase64: signed.signature,
      namespace: 'mcp-pra-offer',
    });
    if (!sshsig.publicKey.equals(this.hostKey.publicKey)) throw new Error('the offer is not of the host');
    return { offer: parseOffer(signed.text), signed };
  }

  ticket({ offer, signed }: Proposal, patch: Partial<Ticket> = {}): string {
    const now = Date.now();
    return serialiseTicket({
      kind: 'action',
      id: offer.id,
      host: offer.host,
      hostKey: offer.hostKey,
      action: offer.action,
      args: offer.args,
      definition: offer.definition,
      impact: offer.impact,
      mode: offer.mode,
      approval: 'normal',
      incident: undefined,
      offer: sha256(signed.text),
      plan: undefined,
      issued: wireTime(now),
      expires: wireTime(now + 300_000),
      requester: 'carl/cli',
      reason: 'a test',
      ledger: '0'.repeat(64),
      ...patch,
    });
  }

  /** A ticket that freezes this host; it answers no offer. */
  freezeTicket(patch: Partial<Ticket> = {}): string {
    const now = Date.now();
    return serialiseTicket({
      kind: 'freeze',
      id: newId(),
      host: 'web1',
      hostKey: `SHA256:${createHash('sha256').update(this.hostKey.publicKey).digest('base64').replace(/=+$/u, '')}`,
      action: 'freeze',
      args: [],
      definition: sha256('mcp-pra word freeze 1\n'),
      impact: 'MEDIUM',
      mode: 'run',
      approval: 'normal',
      incident: undefined,
      offer: undefined,
      plan: undefined,
      issued: wireTime(now),
      expires: wireTime(now + 300_000),
      requester: 'carl/cli',
      reason: 'something is wrong',
      ledger: '0'.repeat(64),
      ...patch,
    });
  }

  /** The submission of a ticket that answers no offer. */
  freeze(ticketText: string, signings: readonly Signing[]): string {
    return frame({
      ticketText,
      signatures: signings.map((one) => this.sign(ticketText, one)),
      offer: undefined,
    });
  }

  /** base64 of the SSHSIG blob that ssh-keygen makes. */
  sign(text: string, { key, namespace }: Signing): string {
    const options = { input: text, stdio: 'pipe' as const, env: { PATH: process.env['PATH'] } };
    const armoured = execFileSync(
      'ssh-keygen',
      ['-Y', 'sign', '-f', key.path, '-n', namespace],
      options,
    ).toString();
    const base64 = armoured
      .split('\n')
      .filter((line) => !line.startsWith('-----'))
      .join('');
    decodeSignature(base64);
    return base64;
  }

  /** An offer's text changed and signed again with the host's own key. */
  forgeOffer(
    proposal: Proposal,
    change: (text: string) => string,
    key = this.hostKey,
    namespace = 'mcp-pra-offer',
  ): Proposal {
    const text = change(proposal.signed.text);
    return { offer: parseOffer(text), signed: { text, signature: this.sign(text, { key, namespace }) } };
  }

  parts(proposal: Proposal, signings: readonly Signing[], patch: Partial<Ticket> = {}): SubmissionParts {
    const ticketText = this.ticket(proposal, patch);
    return {
      ticketText,
      signatures: signings.map((one) => this.sign(ticketText, one)),
      offer: proposal.signed,
    };
  }

  submission(proposal: Proposal, signings: readonly Signing[], patch: Partial<Ticket> = {}): string {
    return frame(this.parts(proposal, signings, patch));
  }

  async query(
    word: 'status' | 'result',
    ticketText: string,
    patch: Partial<{ id: string; ticket: string; wait: number; offset: number }> = {},
  ): Promise<Said> {
    const id = /^id (.*)$/mu.exec(ticketText)?.[1] ?? '';
    return this.ask(word, serialiseQuery({ id, ticket: sha256(ticketText), wait: 0, offset: 0, ...patch }));
  }

  /** The last receipt that was given, its signature checked against the host's key. */
  receipt(said: Said): Receipt {
    const event = said.events.findLast((one) => one['event'] === 'receipt');
    if (event === undefined) throw new Error(`no receipt: ${said.stderr}`);
    const text = String(event['receipt']);
    const sshsig = verifySshsig({
      message: text,
      signatureBase64: String(event['signature']),
      namespace: 'mcp-pra-receipt',
    });
    if (!sshsig.publicKey.equals(this.hostKey.publicKey)) throw new Error('the receipt is not of the host');
    return parseReceipt(text);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

const readSaid = (exit: number | null, stdout: string, stderr: string): Said => {
  const lines = stdout.split('\n');
  if (stdout !== '' && (lines.shift() !== 'mcp-pra 1' || lines.pop() !== ''))
    throw new Error('not an answer of pra-run');
  const events = stdout === '' ? [] : lines.map((line) => JSON.parse(line) as Json);
  const output = events
    .filter((one) => one['event'] === 'output')
    .map((one) => Buffer.from(String(one['data']), 'base64').toString());
  const code = /^refused pra-run ([A-Z_]+)\n$/u.exec(stderr)?.[1];
  const warnings = events.filter((one) => one['event'] === 'warning').map((one) => one['code']);
  return { exit, events, stderr, code, warnings, output: output.join('') };
};

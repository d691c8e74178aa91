// The story of mcp-pra in a minute, on the embedded target: look, act LOW, act MEDIUM with a person, a forgery, the ledger.
// Everything is real but the host: the built program, an MCP client on its stdio, SSH, the scripts of a target, a terminal.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EMBEDDED_BANNER, EMBEDDED_CATALOG, startEmbeddedTarget } from '../support/embedded-target.ts';
import { approveSteps, makeOperator, type ToolAnswer } from '../support/operator.ts';
import { forgeTicket } from './forgery.ts';

const started = Date.now();
const say = (text = ''): void => void process.stdout.write(`${text}\n`);
let step = 0;
const chapter = (title: string): void => {
  step += 1;
  say();
  say(`── ${String(step)}. ${title}`);
};
/** A line of what really came back, shortened for the eye. */
const show = (text: string, lines = 6): void => {
  const all = text.trimEnd().split('\n');
  for (const line of all.slice(0, lines)) say(`   │ ${line.length > 110 ? `${line.slice(0, 109)}…` : line}`);
  if (all.length > lines) say(`   │ … ${String(all.length - lines)} more lines`);
};
const expect = (good: boolean, what: string, seen: string): void => {
  if (!good) throw new Error(`the demo expected that ${what}, and saw:\n${seen}`);
  say(`   ✔ ${what}`);
};
const field = (answer: ToolAnswer, name: string): string => {
  const value = answer.data[name];
  return typeof value === 'string' ? value : '';
};

const home = mkdtempSync(join(tmpdir(), 'mcp-pra-demo-'));
const target = await startEmbeddedTarget();
const stop = async (): Promise<void> => {
  await target.stop();
  rmSync(home, { recursive: true, force: true });
};
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void stop().finally(() => process.exit(130)));

try {
  say('mcp-pra: an AI may look at hosts and propose actions; people decide; the target checks.');
  say(EMBEDDED_BANNER);
  execFileSync(process.execPath, [join(import.meta.dirname, '../support/build.mjs')], { stdio: 'inherit' });
  const operator = makeOperator({
    home,
    hosts: { [target.name]: { address: target.address, port: target.port, tags: ['demo'] } },
    keys: { reader: target.readerKey, runner: target.runnerKey, auto: target.autoKey.path },
    approver: { principal: target.approver.principal, key: target.approver.path },
    knownHosts: target.knownHostsPath,
    more: { catalog: { builtin: false, dirs: [EMBEDDED_CATALOG] } },
  });
  const session = await operator.serve();

  chapter('What the model sees: hosts and tools');
  const hosts = await session.call('list_hosts');
  show(hosts.text);
  const tools = (await session.client.listTools()).tools.map((tool) => tool.name);
  show(tools.join(' '));
  expect(
    !tools.some((name) => /approve|deny|otp/u.test(name)),
    'no tool can approve, deny or carry a one-time password',
    tools.join(' '),
  );

  chapter('It looks: a diagnostic over the reader account');
  const memory = await session.call('memory', { hosts: [target.name] });
  show(memory.text);
  expect(!memory.isError && memory.text.includes(': ok'), 'the host answered with facts', memory.text);

  chapter('It proposes a LOW action: the policy of the host lets it run by itself');
  const before = target.demo.pid();
  const low = await session.call('propose_pra_action', {
    action: 'restart_demo',
    host: target.name,
    args: { service: 'demo' },
    rationale: 'The demo service leaks memory; a restart frees it.',
    auto_approve: true,
  });
  show(low.text, 9);
  expect(field(low, 'state') === 'SUCCEEDED', 'it ran, and the receipt is signed by the host', low.text);
  expect(
    target.demo.pid() !== before,
    `a real process was restarted: pid ${String(before)} → ${String(target.demo.pid())}`,
    low.text,
  );

  chapter('It proposes a MEDIUM action and tries to run it too early');
  const medium = await session.call('propose_pra_action', {
    action: 'rotate_demo',
    host: target.name,
    rationale: 'The log of the demo service is full.',
    auto_approve: true,
  });
  const id = field(medium, 'id');
  expect(
    field(medium, 'state') === 'PENDING',
    `request ${id} waits for a person, although auto_approve was asked for`,
    medium.text,
  );
  const early = await session.call('execute_pra_action', { id });
  show(early.text);
  expect(
    early.isError && early.text.includes('NOT_APPROVED'),
    'running it before that is refused',
    early.text,
  );

  chapter('A person approves, in a terminal');
  const piped = await operator.cli('approve', id);
  expect(piped.code === 2, 'a pipe instead of a terminal is refused; no flag changes that', piped.stderr);
  const rotations = target.demo.rotations();
  const typed = await operator.typed(['approve', id], approveSteps(target.approver.passphrase));
  show(typed.screen.replaceAll('\r', ''), 60);
  expect(
    typed.code === 0 && typed.missed === null,
    'the person read the offer, typed the passphrase, and it ran',
    typed.screen,
  );
  expect(target.demo.rotations() === rotations + 1, 'it ran exactly once', String(target.demo.rotations()));
  const again = await session.call('execute_pra_action', { id });
  expect(
    field(again, 'state') === 'SUCCEEDED' && target.demo.rotations() === rotations + 1,
    'asking to run it again only reports the first run',
    again.text,
  );

  chapter('A thief with the runner key forges a ticket');
  const refusal = await forgeTicket(target);
  show(refusal);
  expect(
    refusal.includes('refused pra-run SIGNER_UNKNOWN'),
    'the target itself refuses: the signer is not an approver',
    refusal,
  );
  expect(target.demo.rotations() === rotations + 1, 'and nothing ran', String(target.demo.rotations()));

  chapter('The ledger');
  await session.close();
  const ledger = await operator.cli('audit', 'verify');
  show(ledger.stdout);
  expect(
    ledger.code === 0,
    'every call, decision, run and refusal is in the chain, and the chain verifies',
    ledger.stdout + ledger.stderr,
  );

  say();
  say(
    `Done in ${String(Math.round((Date.now() - started) / 1000))} s. Next: README.md, then npm run lab up for real hosts.`,
  );
} finally {
  await stop();
}

import { InvalidArgumentError, type Command } from 'commander';
import { PraError } from '../../errors.ts';
import { checkEverything } from '../doctor-checks.ts';
import type { Finding } from '../finding.ts';
import type { Style } from '../cli-io.ts';
import type { Page } from '../page.ts';
import { wrap } from '../plain-text.ts';
import { withProgress } from '../progress.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

const STYLE: Readonly<Record<Finding['level'], Style>> = { ok: 'green', warn: 'yellow', fail: 'red' };
const HOST = /^[a-z0-9][a-z0-9.-]{0,62}$/u;

/** `mcp-pra doctor`: everything that must be right, and what to do where it is not. Exit 1 when something fails. */
export const addDoctor = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'doctor', 'check configuration, keys, database and hosts; say how to mend them')
    .option('-H, --host <host>', 'only this host', hostOf);
  command.action(({ host }: { readonly host?: string }) =>
    cli.run(command, async (context) => {
      const findings = await withProgress(context.io, say('progress.doctor', { what: '' }), (progress) =>
        checkEverything(context, host, (what) => progress.update(say('progress.doctor', { what }))),
      );
      const failures = findings.filter(({ level }) => level === 'fail').length;
      context.show(findings, (page) => findingsPage(page, findings));
      if (context.signal.aborted) throw new PraError('CANCELLED');
      return failures === 0 ? 0 : 1;
    }),
  );
};

const findingsPage = (page: Page, findings: readonly Finding[]): void => {
  for (const { level, text, fix } of findings) {
    const [first = '', ...rest] = wrap(text, page.width - 6);
    page.line(`${page.paint(STYLE[level], level.padEnd(4))}  ${first}`);
    for (const line of rest) page.line(`      ${line}`);
    if (fix !== undefined)
      for (const line of wrap(say('doctor.fix', { fix }), page.width - 8)) page.line(`        ${line}`);
  }
  const count = (level: Finding['level']): number =>
    findings.filter((finding) => finding.level === level).length;
  page.line().line(say('doctor.sum', { ok: count('ok'), warn: count('warn'), fail: count('fail') }));
};

const hostOf = (word: string): string => {
  if (!HOST.test(word)) throw new InvalidArgumentError('It is the name of a host in the configuration.');
  return word;
};

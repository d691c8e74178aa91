import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../../config.ts';
import { PraError } from '../../errors.ts';
import type { CliContext } from '../cli-context.ts';
import {
  dropNext,
  dropPrevious,
  nextOf,
  readKeyFiles,
  switchKey,
  type KeyFiles,
} from '../rotation/key-files.ts';
import type { Cli } from '../run-cli.ts';
import { recordedStep } from '../rotation/recorded-step.ts';
import { say } from '../say.ts';
import { Terminal } from '../terminal.ts';

const PASSPHRASE_TRIES = 3;

/** Requests that carry a signature which their target has not judged for the last time. */
const SIGNED = ['APPROVED', 'DISPATCHING', 'UNKNOWN'] as const;

/**
 * `mcp-pra rotation approver …`: the approver's side of the rotation of their own key. `begin` is a person's: it makes the new key
 * and has both sign a statement, which is all that ansible/playbooks/rotation/approvers.yml needs. No secret leaves this machine.
 */
export const addRotationApprover = (rotation: Command, cli: Cli): void => {
  const group = rotation
    .command('approver')
    .description("the approver's side of the rotation of their own key");

  const begin = cli.command(
    group,
    'begin',
    'make the new key, and have the old and the new one sign the statement that hosts ask for; needs a terminal',
  );
  begin.action(() =>
    cli.run(begin, async (context) => {
      const config = context.config();
      const { principal, key } = approverOf(config);
      const screen = context.json ? context.io.stderr : context.io.stdout;
      const terminal = new Terminal(context.io, screen);
      const note = (text: string): unknown => screen.write(`${text}\n`);
      if (readKeyFiles(key).phase === 'switched') throw refused(say('rotation.approver_switched'));
      await recordedStep(context, { key: principal, step: 'begin' }, key, async () => {
        if (readKeyFiles(key).phase !== 'idle') return;
        note(say('rotation.approver_new'));
        await context.parts.makeApproverKey({ path: nextOf(key), principal });
      });
      const files = readKeyFiles(key);
      const statement = {
        principal,
        old: files.old.fingerprint,
        next: keyOnly(files.new.line),
      };
      const signWith = async (path: string, which: string) => {
        for (let left = PASSPHRASE_TRIES; ; left -= 1) {
          const passphrase = await terminal.askHidden(
            say('rotation.approver_passphrase', {
              which,
              fingerprint: which === 'old' ? files.old.fingerprint : files.new.fingerprint,
            }),
          );
          try {
            return await context.parts.signApproverRotation(path, passphrase, statement);
          } catch (error) {
            if (!(error instanceof PraError) || error.code !== 'KEY_PASSPHRASE' || left <= 1) throw error;
            note(say('approve.wrong'));
          } finally {
            passphrase.fill(0);
          }
        }
      };
      const old = await signWith(files.oldPath, 'old');
      const fresh = await signWith(files.newPath, 'new');
      const path = statementPath(config, principal);
      const text = `${old.text}old-signature ${old.signature}\nnew-signature ${fresh.signature}\n`;
      writeFileSync(`${path}.new`, text, { mode: 0o600 });
      renameSync(`${path}.new`, path);
      const shown = report(config, files);
      context.show(shown, (page) => page.line(say('rotation.approver_begun', { path })));
      return 0;
    }),
  );

  const status = cli.command(group, 'status', 'where the rotation of the approver of this machine is');
  status.action(() =>
    cli.run(status, async (context) => {
      const config = context.config();
      const shown = {
        ...report(config, readKeyFiles(approverOf(config).key)),
        open: await signedRequests(context),
      };
      context.show(shown, (page) => page.line(sentence(shown)));
      return 0;
    }),
  );

  const steps = [
    ['switch', 'approve with the new key from now on', switchApprover],
    ['finish', 'forget the old key, once every host has revoked it', finishApprover],
    ['abandon', 'forget the new key, as long as it is not in use', abandonApprover],
  ] as const;
  for (const [word, description, work] of steps) {
    const command = cli.command(group, word, description);
    command.action(() =>
      cli.run(command, async (context) => {
        const config = context.config();
        const { key, principal } = approverOf(config);
        await recordedStep(context, { key: principal, step: word }, key, () => work(config));
        const shown = report(config, readKeyFiles(key));
        context.show(shown, (page) => page.line(sentence(shown)));
        return 0;
      }),
    );
  }
};

const refused = (what: string): PraError => new PraError('ROTATION_REFUSED', { what });

const approverOf = (config: Config): { readonly principal: string; readonly key: string } => {
  if (config.approver === undefined) throw new PraError('APPROVER_MISSING');
  return config.approver;
};

/** Beside the configuration. Public: it may be sent to whoever runs the playbook. */
const statementPath = (config: Config, principal: string): string =>
  join(dirname(config.path), `approver-rotation-${principal}.txt`);

interface Report {
  readonly principal: string;
  readonly phase: KeyFiles['phase'];
  readonly old: string;
  readonly new: string;
  /** `type base64`. */
  readonly old_line: string;
  readonly new_line: string;
  readonly statement: string | null;
}

const report = (config: Config, files: KeyFiles): Report => {
  const { principal } = approverOf(config);
  const path = statementPath(config, principal);
  return {
    principal,
    phase: files.phase,
    old: files.old.fingerprint,
    new: files.new.fingerprint,
    old_line: keyOnly(files.old.line),
    new_line: keyOnly(files.new.line),
    statement: existsSync(path) && readFileSync(path, 'utf8').includes(files.old.fingerprint) ? path : null,
  };
};

const keyOnly = (line: string): string => line.split(' ').slice(0, 2).join(' ');

const sentence = ({ principal, phase, old, new: next }: Report): string =>
  phase === 'idle'
    ? say('rotation.idle', { channel: principal, old })
    : say('rotation.phase', { channel: principal, phase, old, new: next });

/** A ticket that the old key has signed would be refused once hosts have revoked it. */
const signedRequests = async (context: CliContext): Promise<readonly string[]> => {
  const { desk } = await context.app();
  return desk.list(context.caller(), { states: SIGNED, limit: 100 }).map(({ id }) => id);
};

const switchApprover = (config: Config): void => {
  const { key, principal } = approverOf(config);
  if (readKeyFiles(key).phase === 'idle') throw refused(say('rotation.not_begun', { channel: principal }));
  switchKey(key);
};

const finishApprover = (config: Config): void => {
  const { key, principal } = approverOf(config);
  if (readKeyFiles(key).phase === 'staged')
    throw refused(say('rotation.not_switched', { channel: principal }));
  dropPrevious(key);
  rmSync(statementPath(config, principal), { force: true });
};

const abandonApprover = (config: Config): void => {
  const { key, principal } = approverOf(config);
  if (readKeyFiles(key).phase === 'switched') throw refused(say('rotation.approver_switched'));
  dropNext(key);
  dropPrevious(key); // of a switch that was cut off before it counted
  rmSync(statementPath(config, principal), { force: true });
};

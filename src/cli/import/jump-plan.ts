import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../config.ts';
import { NAME } from '../../config/schema.ts';
import { say } from '../say.ts';
import { sshSettings } from './ssh-config.ts';

/** A jump host that the configuration does not have yet. */
export interface NewJump {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** As ssh_config has it, or as it was given. */
  readonly key: string;
}

export type JumpVerdict =
  | { readonly kind: 'jump'; readonly name: string; readonly made: NewJump | undefined }
  | { readonly kind: 'refused'; readonly why: string };

/** Where a ProxyJump leads: to an entry of `jumps`, or to one that has to be made. Throws USAGE when ssh does. */
export const planJump = (config: Config, written: string, givenKey: string | undefined): JumpVerdict => {
  const refused = (why: string): JumpVerdict => ({ kind: 'refused', why });
  if (written.includes(',')) return refused(say('import.jump_chain'));
  const [, user, bracketed, plain, port] =
    /^(?:ssh:\/\/)?(?:([a-z_][a-z0-9_-]{0,31})@)?(?:\[([0-9A-Za-z:][0-9A-Za-z:._-]*)\]|([A-Za-z0-9][A-Za-z0-9._-]{0,252}))(?::([0-9]{1,5}))?$/u.exec(
      written,
    ) ?? [];
  const name = bracketed ?? plain;
  if (name === undefined) return refused(say('import.jump_form'));
  const byName = config.jumps.find((jump) => jump.name === name);
  if (byName !== undefined && user === undefined && port === undefined)
    return { kind: 'jump', name, made: undefined };
  const ssh = sshSettings(name);
  if (ssh.jump !== undefined || ssh.hasProxyCommand) return refused(say('import.jump_chain'));
  const wish = { address: ssh.address, port: Number(port ?? ssh.port), user: user ?? ssh.user };
  const same = config.jumps.find(
    (jump) => jump.address === wish.address && jump.port === wish.port && jump.user === wish.user,
  );
  if (same !== undefined) return { kind: 'jump', name: same.name, made: undefined };
  if (byName !== undefined) return refused(say('import.jump_differs', { jump: name }));
  if (!NAME.test(name)) return refused(say('import.jump_name'));
  const key =
    givenKey ?? ssh.identityFiles.find((path) => existsSync(path.replace(/^~\//u, join(homedir(), '/'))));
  if (key === undefined) return refused(say('import.jump_key'));
  return { kind: 'jump', name, made: { ...wish, key } };
};
